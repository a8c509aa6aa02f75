#pragma once

#include "base/clock.h"
#include "media/frame.h"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>

namespace zc {

/// One place between a source's thread and the worker: the newest frame wins, the older one's damage and cursor live on
/// in it (Frame::supersede). put() never blocks for longer than a move; one producer, one consumer.
///
/// With a latch, a dmabuf that came without an acquire point is kept back until the next picture is there, or for that
/// long: some drivers hand buffers over before they are painted and attach no fence to wait for.
class FrameMailbox {
 public:
  explicit FrameMailbox(Nanoseconds latch = {}) : latch_(latch) {}

  void put(Frame frame);

  /// Waits for a frame until `deadline` (CLOCK_MONOTONIC; nullopt = no limit), a stop request or a wake(); nullopt on
  /// any of these.
  [[nodiscard]] std::optional<Frame> take(const std::stop_token& stop, std::optional<Nanoseconds> deadline);

  /// Nothing comes any more: what is kept back may be taken now.
  void unlatch();

  /// Makes a waiting take() return nullopt once.
  void wake();

  /// Nobody takes any more: what is here and what comes from now on is let go at once and counts nowhere.
  void close();
  /// Frames are taken again.
  void reopen();

  /// Pictures thrown away because a newer one came before they were taken.
  [[nodiscard]] std::uint64_t overwritten() const;

 private:
  /// Puts a frame where take() finds it; what it replaces.
  [[nodiscard]] std::optional<Frame> deliver(Frame frame);
  [[nodiscard]] bool latches(const Frame& frame) const;

  const Nanoseconds latch_;
  mutable std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::optional<Frame> slot_;
  std::optional<Frame> held_;  ///< kept back by the latch
  Nanoseconds held_since_{};
  bool woken_ = false;
  bool closed_ = false;
  std::uint64_t overwritten_ = 0;
};

}  // namespace zc
