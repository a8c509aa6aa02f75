// A network simulated: what the controller makes of it.
#include "session/bitrate_controller.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

namespace {

constexpr Nanoseconds kTick = 100ms;
constexpr std::int64_t kMost = 6'000'000;
constexpr std::int64_t kLeast = 1'200'000;

/// A sender's buffer before a bottleneck, told in bytes, in time, or by what is thrown away.
class Bottleneck {
 public:
  enum class Tells : std::uint8_t { Unsent, Waiting, Late };
  explicit Bottleneck(std::int64_t bits_per_second, Tells tells = Tells::Unsent)
      : capacity(bits_per_second), tells_(tells) {}

  /// One tick of a stream at `rate` bit/s.
  void send(std::int64_t rate) {
    now_ += kTick;
    const double seconds = std::chrono::duration<double>(kTick).count();
    // A keyframe every two seconds is as large as a third of a second.
    ++ticks_;
    const double share = !keyframes ? 1 : ticks_ % 20 == 0 ? 3.5 : 0.87;
    queue_.push_back({now_, share * seconds * static_cast<double>(rate) / 8});
    double room = seconds * static_cast<double>(capacity) / 8;
    while (!queue_.empty() && room > 0) {
      const double gone = std::min(room, queue_.front().bytes);
      queue_.front().bytes -= gone;
      room -= gone;
      delivered_ += gone;
      if (queue_.front().bytes < 1) queue_.pop_front();
    }
    while (tells_ == Tells::Late && !queue_.empty() && now_ - queue_.front().at > 200ms) {
      queue_.pop_front();
      ++late_;
    }
  }
  [[nodiscard]] Congestion state() const {
    double bytes = 0;
    for (const Part& part : queue_) bytes += part.bytes;
    Congestion told{.delivered = static_cast<std::uint64_t>(delivered_)};
    if (tells_ == Tells::Unsent) told.unsent = static_cast<std::uint64_t>(bytes);
    if (tells_ == Tells::Waiting && !queue_.empty()) told.waiting = now_ - queue_.front().at;
    told.late = late_;
    return told;
  }

  std::int64_t capacity;
  bool keyframes = true;

 private:
  struct Part {
    Nanoseconds at{};
    double bytes = 0;
  };
  Tells tells_;
  Nanoseconds now_{};
  unsigned ticks_ = 0;
  std::deque<Part> queue_;
  double delivered_ = 0;
  std::uint64_t late_ = 0;
};

/// The stream over some links for a while; the rates of each tick.
class Stream {
 public:
  std::vector<std::int64_t> run(const std::vector<Bottleneck*>& links, Nanoseconds time) {
    std::vector<std::int64_t> rates;
    for (Nanoseconds end = now_ + time; now_ < end;) {
      now_ += kTick;
      std::vector<SinkCongestion> told;
      for (std::size_t i = 0; i < links.size(); ++i) {
        links[i]->send(controller.target());
        told.push_back({.sink = static_cast<std::uint32_t>(i + 1), .peers = {links[i]->state()}});
      }
      const std::int64_t before = controller.target();
      const auto changed = controller.step(now_, told);
      if (changed) CHECK(*changed == controller.target());
      if (changed) CHECK(*changed != before);
      if (!changed) CHECK(controller.target() == before);
      CHECK(controller.target() >= kLeast);
      CHECK(controller.target() <= kMost);
      rates.push_back(controller.target());
    }
    return rates;
  }
  BitrateController controller{{.most = kMost, .least = kLeast}};

 private:
  Nanoseconds now_{};
};

std::size_t changes(const std::vector<std::int64_t>& rates) {
  std::size_t count = 0;
  for (std::size_t i = 1; i < rates.size(); ++i) count += rates[i] != rates[i - 1] ? 1U : 0U;
  return count;
}

constexpr auto kEach = {Bottleneck::Tells::Unsent, Bottleneck::Tells::Waiting, Bottleneck::Tells::Late};

}  // namespace

TEST_CASE("a network that takes all changes nothing, keyframes and all", "[controller]") {
  for (const auto tells : kEach) {
    Stream stream;
    Bottleneck link(kMost * 6 / 5, tells);
    CHECK(changes(stream.run({&link}, 5min)) == 0);
    CHECK(stream.controller.target() == kMost);
    CHECK(stream.controller.reductions() == 0);
  }
}

TEST_CASE("the rate steps down within a second of a network that takes less, and the queue empties", "[controller]") {
  for (const auto tells : kEach) {
    CAPTURE(static_cast<int>(tells));
    Stream stream;
    Bottleneck link(kMost * 2, tells);
    static_cast<void>(stream.run({&link}, 10s));
    link.capacity = 3'000'000;
    const auto rates = stream.run({&link}, 20s);
    CHECK(rates.at(9) < kMost);  // 1 s
    CHECK(rates.at(49) <= 3'000'000);
    CHECK(*std::ranges::min_element(rates) >= 1'400'000);  // not thrown away with it
    const Congestion after = link.state();
    CHECK(after.unsent < 3'000'000 / 8);
    CHECK(after.waiting < 1s);
    CHECK(stream.controller.reductions() >= 1);
  }
}

TEST_CASE("the rate never goes below its floor", "[controller]") {
  for (const auto tells : kEach) {
    Stream stream;
    Bottleneck link(100'000, tells);
    const auto rates = stream.run({&link}, 1min);
    CHECK(rates.back() == kLeast);  // run() looks at each
    // All the way down takes a few seconds.
    CHECK(std::ranges::find(rates, kLeast) - rates.begin() < 60);
  }
}

TEST_CASE("a long time at the floor does not make it any slower to come back", "[controller]") {
  for (const auto tells : kEach) {
    Stream stream;
    Bottleneck link(100'000, tells);
    static_cast<void>(stream.run({&link}, 2min));
    link.capacity = kMost * 200;
    const auto rates = stream.run({&link}, 90s);
    CHECK(rates.at(49) > kLeast);  // 5 s
    CHECK(rates.back() == kMost);
  }
}

TEST_CASE("the rate comes back by small steps, and all the way", "[controller]") {
  for (const auto tells : kEach) {
    Stream stream;
    Bottleneck link(2'000'000, tells);
    const auto low = stream.run({&link}, 30s);
    CHECK(low.back() <= 2'000'000);
    link.capacity = kMost * 2;
    const auto rates = stream.run({&link}, 4min);
    CHECK(rates.back() == kMost);
    CHECK(rates.at(49) < kMost / 2);  // 5 s
    for (std::size_t i = 1; i < rates.size(); ++i) {
      CHECK(rates[i] >= rates[i - 1]);
      CHECK(rates[i] <= rates[i - 1] * 11 / 10);
    }
  }
}

TEST_CASE("at a stable capacity the rate hardly moves, and is not far below it", "[controller]") {
  for (const auto tells : kEach) {
    CAPTURE(static_cast<int>(tells));
    Stream stream;
    Bottleneck link(3'000'000, tells);
    static_cast<void>(stream.run({&link}, 2min));
    const std::uint64_t before = stream.controller.reductions();
    const auto rates = stream.run({&link}, 10min);
    CHECK(stream.controller.reductions() - before <= 10);
    double sum = 0;
    for (const std::int64_t rate : rates) sum += static_cast<double>(rate);
    CHECK(sum / static_cast<double>(rates.size()) > 0.7 * 3'000'000);
    CHECK(*std::ranges::max_element(rates) < 3'900'000);
  }
}

TEST_CASE("the worst of several sinks decides", "[controller]") {
  Stream stream;
  Bottleneck wide(kMost * 2);
  Bottleneck narrow(2'000'000);
  const auto rates = stream.run({&wide, &narrow}, 30s);
  CHECK(rates.back() <= 2'000'000);
  // It is gone, and the other one takes all.
  CHECK(stream.run({&wide}, 4min).back() == kMost);
}

TEST_CASE("while a peer is away the rate does not rise", "[controller]") {
  BitrateController controller({.most = kMost, .least = kLeast});
  Nanoseconds now{};
  const std::vector<SinkCongestion> late{{.sink = 1, .peers = {{.waiting = 2s, .delivered = 1000}}}};
  CHECK(controller.step(now += kTick, late).has_value());
  const std::vector<SinkCongestion> away{{.sink = 1, .away = true}};
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(controller.step(now += kTick, away));
  // A connection that begins anew is not judged by the one before.
  const std::vector<SinkCongestion> back{{.sink = 1, .peers = {{.delivered = 10}}}};
  const std::int64_t lowered = controller.target();
  CHECK_FALSE(controller.step(now += kTick, back));
  for (int i = 0; i < 100; ++i) static_cast<void>(controller.step(now += kTick, back));
  CHECK(controller.target() > lowered);
}

TEST_CASE("an encoder that is opened anew for each change is changed rarely", "[controller]") {
  Stream stream;
  stream.controller.set_costly(true);
  Bottleneck link(2'000'000);
  const auto down = stream.run({&link}, 30s);
  CHECK(down.back() <= 2'000'000);
  CHECK(changes(down) <= 4);
  link.capacity = kMost * 2;
  const auto up = stream.run({&link}, 5min);
  CHECK(up.back() == kMost);
  CHECK(changes(up) <= 8);
}

TEST_CASE("another rate that was asked for is the new limit, at once", "[controller]") {
  Stream stream;
  Bottleneck link(2'000'000);
  static_cast<void>(stream.run({&link}, 30s));
  stream.controller.set_limits({.most = 4'000'000, .least = kLeast});
  CHECK(stream.controller.target() == 4'000'000);
  CHECK(stream.run({&link}, 30s).back() <= 2'000'000);
}

TEST_CASE("a change that could not be made is tried again", "[controller]") {
  BitrateController controller({.most = kMost, .least = kLeast});
  Nanoseconds now{};
  const std::vector<SinkCongestion> late{{.sink = 1, .peers = {{.waiting = 2s, .delivered = 1000}}}};
  CHECK(controller.step(now += kTick, late).has_value());
  controller.take_back(kMost);
  CHECK(controller.target() == kMost);
  CHECK(controller.reductions() == 0);
  CHECK(controller.step(now += kTick, late).has_value());
  CHECK(controller.reductions() == 1);
}
