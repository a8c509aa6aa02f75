#include "output/track_order.h"

#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace zc;

namespace {

Packet packet(std::uint32_t track, std::int64_t dts, bool keyframe = false, std::int64_t pts = -1) {
  Packet one;
  one.track = track;
  one.dts = dts;
  one.pts = pts < 0 ? dts : pts;
  one.keyframe = keyframe;
  return one;
}

/// "0:0 1:10 ": track and dts of what is ready.
std::string ready(TrackOrder& order) {
  std::string text;
  while (const auto next = order.pop()) text += std::to_string(next->track) + ":" + std::to_string(next->dts) + " ";
  return text;
}

}  // namespace

TEST_CASE("what one track has waits for the others") {
  TrackOrder order(2);
  order.push(packet(0, 0, true));
  order.push(packet(1, 0));
  CHECK(ready(order).empty());
  order.push(packet(2, 100));
  CHECK(ready(order) == "0:0 ");  // who knows whether track 0 has something before 100
  order.push(packet(0, 1500));
  CHECK(ready(order) == "1:0 ");
  order.push(packet(1, 1800));
  CHECK(ready(order) == "2:100 ");
  CHECK(order.pop_rest()->dts == 1500);
  CHECK(order.pop_rest()->dts == 1800);
  CHECK_FALSE(order.pop_rest());
}

TEST_CASE("a track that has nothing for long is not waited for, but the first picture is") {
  constexpr std::int64_t kLong = 8 * kPacketClock;
  TrackOrder order(1);
  for (std::int64_t time = 0; time <= kLong; time += 9'000) order.push(packet(1, time));
  CHECK(ready(order).empty());
  order.push(packet(0, 0, true));
  CHECK(ready(order) == "0:0 1:0 ");
  order.push(packet(1, kLong + 9'000));
  CHECK(ready(order) == "1:9000 ");
  order.push(packet(0, kLong, true));
  CHECK(order.pop()->dts == 18'000);
}

TEST_CASE("sound from before a keyframe comes before it, whatever pictures are decoded first") {
  TrackOrder order(1);
  order.push(packet(0, 0, true, 6'000));  // two pictures are shown before it
  order.push(packet(0, 1'500, false, 3'000));
  order.push(packet(0, 3'000, false, 4'500));
  for (std::int64_t time = 0; time <= 9'000; time += 1'800) order.push(packet(1, time));
  CHECK(ready(order) == "1:0 1:1800 1:3600 1:5400 0:0 0:1500 0:3000 ");
}
