// Counting by number, or by time and content.
#include "verify/frame_order.h"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <initializer_list>

using namespace zc;
using namespace zc::verify;

namespace {

constexpr std::int64_t kInterval = kPacketClock / 30;
constexpr std::int64_t kMaxGap = kPacketClock * 3 / 2;

/// A picture of number n, painted at its time at 30 a second.
TestMark mark_of(std::uint32_t n) { return {n, from_packet_clock(kInterval * n)}; }

OrderReport numbered(std::initializer_list<std::uint32_t> numbers) {
  FrameOrder order(kMaxGap);
  for (const std::uint32_t n : numbers) order.add(kInterval * n, mark_of(n), n);
  return order.report();
}

}  // namespace

TEST_CASE("numbers that rise by one are a whole stream") {
  const OrderReport report = numbered({5, 6, 7, 8, 9, 10});
  CHECK(report.pictures == 6);
  CHECK(report.marked == 6);
  CHECK(report.distinct == 6);
  CHECK(report.dropped == 0U);
  CHECK(report.missing.empty());
  CHECK(report.first_number == 5U);
  CHECK(report.last_number == 10U);
  CHECK(report.out_of_order == 0);
  CHECK(report.times_not_rising == 0);
  CHECK(report.gaps == 0);
  CHECK(report.constant_interval == kInterval);
  CHECK(report.largest_time_error.value() <= 1);
}

TEST_CASE("numbers that never come are told by their ranges") {
  const OrderReport report = numbered({0, 1, 4, 5, 7});
  CHECK(report.dropped == 3U);
  CHECK(report.missing == std::vector<NumberRange>{{2, 3}, {6, 6}});
}

TEST_CASE("numbers in any order fill the ranges") {
  FrameOrder order(kMaxGap);
  std::int64_t pts = 0;
  for (const std::uint32_t n : {9U, 0U, 4U, 2U, 3U, 1U, 8U, 4U, 6U, 7U, 5U}) order.add(pts += kInterval, mark_of(n), n);
  const OrderReport report = order.report();
  CHECK(report.distinct == 10);
  CHECK(report.dropped == 0U);
  CHECK(report.out_of_order == 10);
  CHECK(report.times_not_rising == 0);
}

TEST_CASE("a number shown again is a duplicate, not a new picture") {
  FrameOrder order(kMaxGap);
  order.add(0, mark_of(0), 1);
  order.add(kInterval, mark_of(0), 1);
  order.add(kInterval * 2, mark_of(1), 2);
  const OrderReport report = order.report();
  CHECK(report.duplicates == 1);
  CHECK(report.distinct == 2);
  CHECK(report.out_of_order == 0);
  // The new one comes a picture later than it was painted.
  CHECK(report.largest_time_error == kInterval);
}

TEST_CASE("a picture without a number counts between numbered ones only") {
  FrameOrder order(kMaxGap);
  order.add(0, std::nullopt, 1);
  order.add(kInterval, mark_of(1), 2);
  order.add(kInterval * 2, std::nullopt, 3);
  order.add(kInterval * 3, mark_of(3), 4);
  order.add(kInterval * 4, std::nullopt, 5);
  CHECK(order.report().illegible == 1);
  CHECK(order.report().marked == 2);
}

TEST_CASE("times that stand still or fall are counted, and so are gaps") {
  FrameOrder order(kMaxGap);
  for (const std::int64_t pts : {0L, 3000L, 3000L, 2000L, 2000L + kMaxGap, 2001L + 2 * kMaxGap}) {
    order.add(pts, std::nullopt, static_cast<std::uint64_t>(pts));
  }
  const OrderReport report = order.report();
  CHECK(report.times_not_rising == 2);
  CHECK(report.gaps == 1);
  CHECK(report.longest_gap == kMaxGap + 1);
}

TEST_CASE("without numbers a constant rate tells what is missing") {
  FrameOrder order(kMaxGap);
  for (std::int64_t n = 0; n < 60; ++n) {
    // Matroska's milliseconds; three pictures are not there.
    if (n == 20 || n == 21 || n == 40) continue;
    order.add(n * 1000 / 30 * 90, std::nullopt, static_cast<std::uint64_t>(n));
  }
  const OrderReport report = order.report();
  CHECK(report.dropped == 3U);
  CHECK(report.distinct == 57);
  CHECK(report.duplicates == 0);
}

TEST_CASE("without numbers and at a variable rate nobody can tell") {
  FrameOrder order(kMaxGap);
  std::int64_t pts = 0;
  for (std::int64_t n = 0; n < 40; ++n) order.add(pts += n % 5 * 1500 + 900, std::nullopt, n < 20 ? 7 : 8);
  const OrderReport report = order.report();
  CHECK_FALSE(report.dropped);
  CHECK_FALSE(report.constant_interval);
  CHECK(report.distinct == 2);
  CHECK(report.duplicates == 38);
}

TEST_CASE("nothing is nothing") {
  const OrderReport report = FrameOrder(kMaxGap).report();
  CHECK(report.pictures == 0);
  CHECK_FALSE(report.dropped);
  CHECK(report.rate() == 0);
}
