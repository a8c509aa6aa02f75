#include "media/format_table.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kTiled = 0x0300'0000'0000'0001;
constexpr std::uint64_t kLinear = 0;

FormatOffer readable(std::vector<std::uint64_t> modifiers = {kTiled, kLinear}, bool shared_memory = true) {
  FormatOffer offer;
  offer.formats = {{PixelFormat::BGRx, modifiers}, {PixelFormat::RGBA, modifiers}};
  offer.shared_memory = shared_memory;
  return offer;
}

/// A table whose source was started with everything.
FormatTable begun(FormatOffer offer = readable()) {
  FormatTable table;
  table.set_readable(std::move(offer));
  static_cast<void>(table.begin(0s));
  return table;
}

std::vector<std::uint64_t> modifiers(const FormatOffer& offer, PixelFormat format) {
  const auto entry = std::ranges::find(offer.formats, format, &FormatOffer::Entry::format);
  return entry == offer.formats.end() ? std::vector<std::uint64_t>{} : entry->modifiers;
}

}  // namespace

TEST_CASE("as long as nothing is refused the source is left alone") {
  FormatTable table = begun();
  for (int i = 0; i < 100; ++i) {
    table.taken(PixelFormat::BGRx, kTiled, i * 16ms);
    CHECK_FALSE(table.next(i * 16ms));
  }
  table.set_readable(readable());
  CHECK_FALSE(table.next(10s));
}

TEST_CASE("a refusal takes one modifier of one format out, at once") {
  FormatTable table = begun();
  table.refuse(PixelFormat::BGRx, kTiled, "the driver does not like it", 1s);
  CHECK_FALSE(table.offered(PixelFormat::BGRx, kTiled, 1s));
  CHECK(table.offered(PixelFormat::RGBA, kTiled, 1s));
  const auto offer = table.next(1s);
  REQUIRE(offer);
  CHECK(modifiers(*offer, PixelFormat::BGRx) == std::vector{kLinear});
  CHECK(modifiers(*offer, PixelFormat::RGBA) == std::vector{kTiled, kLinear});
  CHECK(offer->shared_memory);
  CHECK(table.reason() == "the driver does not like it");
  // Pictures in it that are under way are none to ask again for, nor is being told twice of one.
  table.refuse(PixelFormat::BGRx, kTiled, "the driver does not like it", 1s + 16ms);
  CHECK_FALSE(table.next(1s + 16ms));
}

TEST_CASE("one refusal that is told twice is one, however late it comes") {
  FormatTable table = begun();
  table.refuse(PixelFormat::BGRx, kTiled, "no", 1s);
  REQUIRE(table.next(1s));
  table.refuse(PixelFormat::BGRx, kLinear, "the importer's words", 5s);
  table.refuse(PixelFormat::BGRx, kLinear, "the worker's words", 5s);
  CHECK(table.reason() == "the importer's words");
  const auto offer = table.next(5s);
  REQUIRE(offer);
  CHECK(offer->has(PixelFormat::RGBA, kTiled));
}

TEST_CASE("a refusal expires, and lasts twice as long each time that it comes again") {
  FormatTable table = begun();
  Nanoseconds now = 1s;
  Nanoseconds expected = FormatTable::kFirstBackOff;
  for (int i = 0; i < 10; ++i) {
    table.refuse(PixelFormat::BGRx, kTiled, "again", now);
    REQUIRE(table.next(now));
    table.taken(PixelFormat::BGRx, kLinear, now);
    CHECK_FALSE(table.next(now + expected - 1ms));
    CHECK_FALSE(table.offered(PixelFormat::BGRx, kTiled, now + expected - 1ms));
    const auto wider = table.next(now + expected);
    REQUIRE(wider);
    CHECK(wider->has(PixelFormat::BGRx, kTiled));
    now += expected;
    expected = std::min(expected * 2, FormatTable::kLongestBackOff);
  }
  SECTION("what has held for as long as it was out is as good as new") {
    now += FormatTable::kLongestBackOff;
    table.taken(PixelFormat::BGRx, kTiled, now);
    table.refuse(PixelFormat::BGRx, kTiled, "again", now);
    REQUIRE(table.next(now));
    CHECK(table.next(now + FormatTable::kFirstBackOff));
  }
}

TEST_CASE("what expires and cannot be read any more is not asked for") {
  FormatTable table = begun();
  table.refuse(PixelFormat::BGRx, kTiled, "lost", 1s);
  REQUIRE(table.next(1s));
  table.set_readable(readable({kLinear}));
  const auto offer = table.next(2s);
  REQUIRE(offer);
  CHECK(modifiers(*offer, PixelFormat::RGBA) == std::vector{kLinear});
  CHECK_FALSE(table.next(1s + FormatTable::kFirstBackOff));
  CHECK_FALSE(table.next(100s));
}

TEST_CASE("all dmabufs can be refused, and come back") {
  FormatTable table = begun();
  table.refuse_dmabufs("the GPU is lost", 1s);
  const auto offer = table.next(1s);
  REQUIRE(offer);
  CHECK_FALSE(offer->has_dmabufs());
  CHECK_FALSE(offer->nothing());
  const auto again = table.next(1s + FormatTable::kFirstBackOff);
  REQUIRE(again);
  CHECK(again->has_dmabufs());
  CHECK(table.reason().find("again") != std::string::npos);
}

TEST_CASE("a source that does not listen is asked without dmabufs, and then ever more rarely") {
  FormatTable table = begun();
  std::vector<Nanoseconds> times;
  std::vector<bool> dmabufs;
  for (Nanoseconds now{}; now < 9s; now += 16ms) {
    table.refuse(PixelFormat::BGRx, kTiled, "no", now);
    if (const auto offer = table.next(now)) {
      times.push_back(now);
      dmabufs.push_back(offer->has_dmabufs());
    }
  }
  REQUIRE(times.size() >= 3);
  CHECK(dmabufs.front());
  CHECK(std::ranges::none_of(dmabufs.begin() + 1, dmabufs.end(), std::identity{}));
  for (std::size_t i = 1; i < times.size(); ++i) {
    const Nanoseconds gap = times[i] - times[i - 1];
    CHECK(gap >= FormatTable::kFirstPatience * (1U << (i - 1)));
    CHECK(gap <= FormatTable::kFirstPatience * (1U << (i - 1)) + 32ms);
  }
  CHECK(table.attempts() == times.size());
  SECTION("even in an hour it is asked no more than a few times a minute") {
    std::size_t asked = 0;
    for (Nanoseconds now = 9s; now < 1h; now += 16ms) {
      table.refuse(PixelFormat::BGRx, kTiled, "no", now);
      if (table.next(now)) ++asked;
    }
    CHECK(asked < 240);
  }
  SECTION("a picture that is taken ends it") {
    table.taken(PixelFormat::RGBA, std::nullopt, 9s);
    CHECK(table.attempts() == 0);
  }
}

TEST_CASE("pictures of shared memory that are not taken are asked for anew, ever more rarely") {
  FormatTable table = begun(readable({kLinear}, false));
  std::size_t asked = 0;
  for (Nanoseconds now = 1s; now < 100s; now += 16ms) {
    table.not_taken("it is no dmabuf", now);
    if (const auto offer = table.next(now)) {
      ++asked;
      CHECK(offer->has_dmabufs());
    }
  }
  CHECK(asked >= 5);
  CHECK(asked < 12);
}

TEST_CASE("with nothing left to ask for the offer is nothing") {
  FormatTable table = begun(readable({kLinear}, false));
  table.refuse(PixelFormat::BGRx, kLinear, "no", 1s);
  auto offer = table.next(1s);
  REQUIRE(offer);
  CHECK_FALSE(offer->nothing());
  table.refuse(PixelFormat::RGBA, kLinear, "no", 1s + 16ms);
  offer = table.next(1s + 16ms);
  REQUIRE(offer);
  CHECK(offer->nothing());
}

TEST_CASE("the wanted rate is part of the offer, whatever the importer reads") {
  FormatTable table;
  table.limit_rate(Rational{60, 1});
  table.set_readable(readable());
  CHECK(table.begin(0s).max_rate == Rational{60, 1});
  table.limit_rate(Rational{60, 1});
  CHECK_FALSE(table.next(1s));
  table.limit_rate(Rational{30, 1});
  auto offer = table.next(1s);
  REQUIRE(offer);
  CHECK(offer->max_rate == Rational{30, 1});
  table.set_readable(readable({kLinear}));
  CHECK(table.next(2s)->max_rate == Rational{30, 1});
  table.limit_rate(std::nullopt);
  CHECK(table.next(3s)->max_rate == FormatOffer{}.max_rate);
}

TEST_CASE("where ten bits are wanted formats that have them come first, in their order") {
  FormatOffer all;
  for (const PixelFormat format :
       {PixelFormat::BGRx, PixelFormat::xRGB_210LE, PixelFormat::RGBA, PixelFormat::xBGR_210LE}) {
    all.formats.push_back({format, {kLinear}});
  }
  FormatTable table;
  table.prefer_deep();
  table.set_readable(all);
  const FormatOffer offer = table.begin(0s);
  REQUIRE(offer.formats.size() == 4);
  CHECK(offer.formats[0].format == PixelFormat::xRGB_210LE);
  CHECK(offer.formats[1].format == PixelFormat::xBGR_210LE);
  CHECK(offer.formats[2].format == PixelFormat::BGRx);
  CHECK(offer.formats[3].format == PixelFormat::RGBA);
  table.set_readable(all);
  CHECK_FALSE(table.next(1s));
}

TEST_CASE("an offer is told in words") {
  CHECK(describe(readable()) == "dmabufs (BGRx with modifier 0x300000000000001, 0x0) or shared memory");
  CHECK(describe(readable({})) == "shared memory");
  CHECK(describe(readable({kLinear}, false)) == "dmabufs (BGRx with modifier 0x0)");
  CHECK(describe(readable({}, false)) == "nothing");
}
