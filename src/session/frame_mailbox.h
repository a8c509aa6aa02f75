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
class FrameMailbox {
 public:
  void put(Frame frame);

  /// Waits for a frame until `deadline` (CLOCK_MONOTONIC; nullopt = no limit), a stop request or a wake(); nullopt on
  /// any of these.
  [[nodiscard]] std::optional<Frame> take(const std::stop_token& stop, std::optional<Nanoseconds> deadline);

  /// Makes a waiting take() return nullopt once.
  void wake();

  /// Nobody takes any more: what comes from now on is let go at once and counts nowhere.
  void close();

  /// Pictures thrown away because a newer one came before they were taken.
  [[nodiscard]] std::uint64_t overwritten() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::optional<Frame> slot_;
  bool woken_ = false;
  bool closed_ = false;
  std::uint64_t overwritten_ = 0;
};

}  // namespace zc
