// Producers' clocks as they are (tests/fixtures/producers), and as they might be.
#include "capture/producer_clock.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <utility>

using namespace zc;
using namespace std::chrono_literals;

namespace {

constexpr Nanoseconds kStart = 5h;
constexpr Nanoseconds kFrame = 16'666'667ns;

/// A stamp that is right comes back as it is.
void check_kept(ProducerClock& clock, Nanoseconds stamp, Nanoseconds lag) {
  const auto made = clock.picture(stamp.count(), stamp + lag);
  CHECK(made.pts == stamp);
  CHECK_FALSE(made.replaced);
}

Nanoseconds distance(Nanoseconds a, Nanoseconds b) { return std::max(a - b, b - a); }

/// The same deliveries every time.
class Jitter {
 public:
  explicit Jitter(Nanoseconds most) : at_(0, most.count()) {}
  Nanoseconds operator()() { return Nanoseconds(at_(random_)); }

 private:
  std::uniform_int_distribution<std::int64_t> at_;
  std::mt19937_64 random_{3};  // NOLINT(cert-msc32-c,cert-msc51-cpp): see above
};

}  // namespace

TEST_CASE("a stamp that lags or leads its delivery is right as it is") {
  const auto lag = GENERATE(-50ms, -16ms, 0ms, 20ms, 40ms, 60ms, 119ms, 500ms);
  CAPTURE(lag.count());
  Jitter jitter(GENERATE(0ns, Nanoseconds(20ms)));
  ProducerClock clock;
  for (int i = 0; i < 600; ++i) check_kept(clock, kStart + i * kFrame, lag + jitter());
}

TEST_CASE("a lag that changes moves no picture") {
  ProducerClock clock;
  int i = 0;
  SECTION("the first picture comes late, as Mutter's") {
    check_kept(clock, kStart, 198ms);
    for (i = 1; i < 60; ++i) check_kept(clock, kStart + i * 66ms, 15ms);
    check_kept(clock, kStart + i * 66ms, 198ms);
  }
  SECTION("in steps of the refresh, as KWin's") {
    for (; i < 600; ++i) {
      constexpr std::array kLags = {48ms, 119ms, 70ms, 66ms, 5ms, 142ms};
      check_kept(clock, kStart + i * 150ms, kLags.at(static_cast<std::size_t>(i) % kLags.size()));
    }
  }
  SECTION("Mutter aims at this vblank or the next") {
    for (; i < 600; ++i) check_kept(clock, kStart + i * kFrame, i % 3 == 0 ? -28ms : -6ms);
  }
}

TEST_CASE("KWin's stamp after a stillness is as old as that: the picture is not") {
  ProducerClock clock;
  constexpr Nanoseconds kLag = 58ms;
  Nanoseconds now = kStart;
  for (int rest = 0; rest < 5; ++rest) {
    Nanoseconds last{};
    for (int i = 0; i < 30; ++i) check_kept(clock, last = now += 66ms, kLag);
    now += 2s;
    const auto woken = clock.picture((last + 66ms).count(), now + 66ms + kLag);
    CHECK(woken.replaced);
    CHECK(distance(woken.pts, now + 66ms) < 5ms);
    now += 66ms;
  }
}

TEST_CASE("a screen that stood still for hours begins now") {
  ProducerClock clock;
  const auto first = clock.picture((kStart - 2h).count(), kStart);
  CHECK(first.pts == kStart);
  for (int i = 1; i < 60; ++i) check_kept(clock, kStart + i * kFrame, 12ms);
}

TEST_CASE("two pictures with one stamp stay two; a clock that stands still is none") {
  ProducerClock clock;
  check_kept(clock, kStart, 50ms);
  check_kept(clock, kStart + 66ms, 60ms);
  const auto second = clock.picture((kStart + 66ms).count(), kStart + 160ms);
  CHECK(second.pts > kStart + 66ms);
  CHECK(second.pts < kStart + 67ms);
  CHECK_FALSE(second.replaced);
  check_kept(clock, kStart + 133ms, 50ms);
  for (int i = 1; i < 100; ++i) {
    const auto same = clock.picture((kStart + 133ms).count(), kStart + 183ms + i * kFrame);
    if (i < 2) continue;
    CHECK(same.replaced);
    CHECK(distance(same.pts, kStart + 133ms + i * kFrame) < 1ms);
  }
}

TEST_CASE("a picture without a stamp has its arrival's time, less the lag that the others have") {
  SECTION("none has any: gamescope, niri, no header") {
    const auto stated =
        GENERATE(std::optional<std::int64_t>(), std::optional<std::int64_t>(-1), std::optional<std::int64_t>(0));
    ProducerClock clock;
    for (int i = 0; i < 60; ++i) {
      const auto made = clock.picture(stated, kStart + i * kFrame);
      CHECK(made.pts == kStart + i * kFrame);
      CHECK(made.replaced == stated.has_value());
    }
  }
  SECTION("one has not") {
    const auto bad = GENERATE(std::int64_t{-1}, std::int64_t{0}, std::numeric_limits<std::int64_t>::min(),
                              std::numeric_limits<std::int64_t>::max(), Nanoseconds(kStart + 1h).count());
    ProducerClock clock;
    for (int i = 0; i < 60; ++i) {
      if (i % 20 != 10) {
        check_kept(clock, kStart + i * kFrame, 40ms);
        continue;
      }
      const auto made = clock.picture(bad, kStart + i * kFrame + 40ms);
      CHECK(made.pts == kStart + i * kFrame);
      CHECK(made.replaced);
    }
  }
}

TEST_CASE("times rise even when the arrivals do not") {
  ProducerClock clock;
  const auto a = clock.picture(std::nullopt, kStart);
  const auto b = clock.news(kStart);
  const auto c = clock.picture(-1, kStart);
  CHECK(a.pts == kStart);
  CHECK(b == kStart + 1ns);
  CHECK(c.pts == kStart + 2ns);
}

TEST_CASE("another clock is followed by its offset and its rate") {
  // CLOCK_REALTIME, a running time from zero; quartz, and something worse.
  const auto zero = GENERATE(Nanoseconds(1'795'000'000s), Nanoseconds(33ms), Nanoseconds(kStart + 10min));
  const auto drift = GENERATE(0.0, 5e-4, -5e-4, 3e-3);
  CAPTURE(zero.count(), drift);
  ProducerClock clock;
  Jitter jitter(20ms);
  Nanoseconds last{};
  Nanoseconds worst{};
  for (int i = 0; i < 36'000; ++i) {
    const Nanoseconds true_time = i * kFrame;
    const auto stamp =
        zero + Nanoseconds(static_cast<std::int64_t>(static_cast<double>(true_time.count()) * (1 + drift)));
    const Nanoseconds arrival = kStart + true_time + jitter();
    const auto made = clock.picture(stamp.count(), arrival);
    CHECK_FALSE(made.replaced);
    if (i > 0) worst = std::max(worst, distance(made.pts - last, kFrame));
    last = made.pts;
    // Without its lag, which nobody knows.
    if (i > 600) CHECK(distance(made.pts, kStart + true_time + 10ms) < 10ms);
  }
  CHECK(worst < 1ms);
}

TEST_CASE("a clock that is set is followed again, and no picture moves against its neighbours") {
  const auto zero = GENERATE(Nanoseconds(0), Nanoseconds(1000h));  // CLOCK_MONOTONIC, another one
  const auto jump = GENERATE(Nanoseconds(8h), Nanoseconds(-3h), Nanoseconds(10s));
  const auto lag = GENERATE(0ms, 40ms);
  ProducerClock clock;
  Nanoseconds last{};
  int replaced = 0;
  for (int i = 0; i < 400; ++i) {
    const Nanoseconds stamp = zero + kStart + i * kFrame + (i < 200 ? Nanoseconds{} : jump);
    const auto made = clock.picture(stamp.count(), kStart + i * kFrame + lag);
    if (i > 0) CHECK(distance(made.pts - last, kFrame) < 1ms);
    last = made.pts;
    replaced += made.replaced ? 1 : 0;
  }
  CHECK(replaced <= 4);
}

TEST_CASE("a single stamp of another time is refused") {
  ProducerClock clock;
  for (int i = 0; i < 400; ++i) {
    const Nanoseconds time = kStart + i * kFrame;
    if (i % 7 != 5) {
      check_kept(clock, time, 20ms);
      continue;
    }
    const auto made = clock.picture((time + (i % 2 == 0 ? 900ms : -900ms)).count(), time + 20ms);
    CHECK(made.replaced);
    CHECK(made.pts == time);
  }
}

TEST_CASE("the pointer's news move no picture") {
  const auto [lag, spread] = GENERATE(std::pair{48ms, 71ms}, std::pair{-28ms, 22ms}, std::pair{0ms, 0ms});
  CAPTURE(lag.count());
  ProducerClock clock;
  Nanoseconds last_news{};
  for (int i = 0; i < 300; ++i) {
    const Nanoseconds stamp = kStart + i * 150ms;
    const Nanoseconds late = lag + (i % 3) * spread / 2;
    check_kept(clock, stamp, late);
    if (i < 3) continue;  // all lags have been seen
    for (int n = 1; n <= 3; ++n) {
      const Nanoseconds news = clock.news(stamp + late + n * 8ms);
      CHECK(news > stamp);
      CHECK(news > last_news);
      CHECK(news < stamp + 100ms);
      last_news = news;
    }
  }
  // Nothing else comes: as even as the pointer moves.
  const Nanoseconds end = kStart + 300 * 150ms + 1s;
  Nanoseconds before = clock.news(end);
  for (int n = 1; n < 60; ++n) {
    const Nanoseconds news = clock.news(end + n * kFrame);
    CHECK(news - before == kFrame);
    before = news;
  }
}
