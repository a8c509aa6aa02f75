#pragma once

#include "base/clock.h"
#include "media/frame.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>

namespace zc {

/// Between a source's thread and the worker. Up to `depth` pictures wait, as long as the producer keeps a buffer to
/// write to and one on its way (Frame::spare); then the oldest makes room, and its damage and cursor live on in the
/// next (Frame::supersede). One: the newest picture wins, which is what a live stream wants; a recording rather has a
/// picture late than not at all, and at its own time whatever joins it. put() never blocks for longer than a few moves;
/// one producer, one consumer.
///
/// With a latch, a dmabuf that came without an acquire point is kept back until the next picture is there, or for that
/// long: some drivers hand buffers over before they are painted and attach no fence to wait for.
class FrameMailbox {
 public:
  static constexpr std::size_t kMostFrames = 4;

  explicit FrameMailbox(Nanoseconds latch = {}, std::size_t depth = 1)
      : latch_(latch), depth_(std::clamp(depth, std::size_t{1}, kMostFrames)) {}

  void put(Frame frame);

  /// The oldest frame. Waits for one until `deadline` (CLOCK_MONOTONIC; nullopt = no limit), a stop request or a
  /// wake(); nullopt on any of these.
  [[nodiscard]] std::optional<Frame> take(const std::stop_token& stop, std::optional<Nanoseconds> deadline);
  /// As take(), but what has come since is in it, and only the newest picture counts.
  [[nodiscard]] std::optional<Frame> take_newest(const std::stop_token& stop, std::optional<Nanoseconds> deadline);

  /// Nothing comes any more: what is kept back may be taken now.
  void unlatch();

  /// Makes a waiting take() return nullopt once.
  void wake();

  /// Nobody takes any more: what is here and what comes from now on is let go at once and counts nowhere.
  void close();
  /// Frames are taken again.
  void reopen();

  /// Frames that take() would give at once.
  [[nodiscard]] std::size_t waiting() const;
  /// Pictures thrown away because a newer one came before they were taken.
  [[nodiscard]] std::uint64_t overwritten() const;

 private:
  /// What was replaced: dies outside the lock, so that leases go back without holding up the consumer.
  using Waste = std::array<std::optional<Frame>, kMostFrames>;
  /// News of the pointer join what waits; a recording's picture keeps its own time. What was there, to be let go of.
  [[nodiscard]] std::optional<Frame> join(std::optional<Frame>& waiting, Frame news) const;
  /// Puts a frame where take() finds it.
  void deliver(Frame frame, Waste& waste);
  [[nodiscard]] std::optional<Frame>& slot(std::size_t place) { return slots_.at((first_ + place) % kMostFrames); }
  [[nodiscard]] std::optional<Frame> pop();
  [[nodiscard]] bool latches(const Frame& frame) const;

  const Nanoseconds latch_;
  const std::size_t depth_;
  mutable std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::array<std::optional<Frame>, kMostFrames> slots_;  ///< `count_` of them, the oldest at `first_`
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::optional<Frame> held_;  ///< kept back by the latch
  Nanoseconds held_since_{};
  bool woken_ = false;
  bool closed_ = false;
  std::uint64_t overwritten_ = 0;
};

}  // namespace zc
