#pragma once

#include "base/clock.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace zc {

/// Which times of CLOCK_MONOTONIC a recording has, and where they are in the stream: pauses and sleeps are cut out. Who
/// records pictures says so; sound follows, some moments later. Unpaced pictures have times, too, but nobody waits for
/// them: such a stream is where its newest picture is over. Any thread.
class StreamClock {
 public:
  StreamClock() = default;
  /// Unpaced; `drawn` tells the stream time at which the newest picture is over, from any thread.
  explicit StreamClock(std::function<Nanoseconds()> drawn) : drawn_(std::move(drawn)) {}

  struct Span {
    Nanoseconds from{};              ///< CLOCK_MONOTONIC
    Nanoseconds stream{};            ///< stream time of that
    std::optional<Nanoseconds> end;  ///< stream time at which it was interrupted, or will be; nullopt: not yet
  };

  /// From `from` on it is recorded; the stream's time is `stream` then. `end`: stream time that is known to be its
  /// last.
  void run(Nanoseconds from, Nanoseconds stream, std::optional<Nanoseconds> end = std::nullopt) {
    const std::lock_guard lock(mutex_);
    spans_.push_back({.from = from, .stream = stream, .end = end});
  }
  /// Up to that stream time.
  void halt(Nanoseconds stream) {
    const std::lock_guard lock(mutex_);
    if (spans_.empty()) return;
    Span& last = spans_.back();
    last.end = std::min(last.end.value_or(stream), stream);
  }
  /// The stream's time now; while it is interrupted, that at which it was.
  [[nodiscard]] Nanoseconds now() const {
    const std::lock_guard lock(mutex_);
    if (spans_.empty()) return {};
    const Span& last = spans_.back();
    const Nanoseconds running = drawn_ ? drawn_() : last.stream + monotonic_now() - last.from;
    return std::min(last.end.value_or(running), running);
  }
  [[nodiscard]] bool unpaced() const { return drawn_ != nullptr; }
  /// Unpaced: CLOCK_MONOTONIC's time of the pictures at now(); nullopt: there is none yet.
  [[nodiscard]] std::optional<Nanoseconds> reached() const {
    const Nanoseconds time = now();
    const std::lock_guard lock(mutex_);
    return spans_.empty() ? std::nullopt : std::optional(spans_.back().from + time - spans_.back().stream);
  }
  /// They follow each other; nullopt: there is none of that number yet.
  [[nodiscard]] std::optional<Span> span(std::size_t number) const {
    const std::lock_guard lock(mutex_);
    return number < spans_.size() ? std::optional(spans_[number]) : std::nullopt;
  }

 private:
  const std::function<Nanoseconds()> drawn_;
  mutable std::mutex mutex_;
  std::vector<Span> spans_;
};

}  // namespace zc
