// Explicit synchronisation of buffers: points on timelines that producer and consumer share.
#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <cstdint>
#include <memory>
#include <utility>

namespace zc {

/// One timeline; a point is reached when whoever owes it has signalled it or a later one. Any thread.
class Timeline {
 public:
  Timeline() = default;
  virtual ~Timeline() = default;
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  /// Timeout: not reached in that time, and perhaps never.
  [[nodiscard]] virtual Result<void> wait(std::uint64_t point, Nanoseconds timeout) = 0;
  /// Does not block.
  virtual void signal(std::uint64_t point) noexcept = 0;
};

/// What turns the file descriptors of timelines into timelines. Any thread.
class TimelineDevice {
 public:
  TimelineDevice() = default;
  virtual ~TimelineDevice() = default;
  TimelineDevice(const TimelineDevice&) = delete;
  TimelineDevice& operator=(const TimelineDevice&) = delete;

  /// The fd stays the caller's.
  [[nodiscard]] virtual Result<std::shared_ptr<Timeline>> import(int fd) = 0;
};

/// When a buffer may be read. Empty: nothing was said, the buffer's own fences count.
struct SyncPoint {
  std::shared_ptr<Timeline> timeline;
  std::uint64_t point = 0;
  explicit operator bool() const { return timeline != nullptr; }
};

/// The promise to say that a buffer is no longer read, kept exactly once: by reset() or at the latest when it dies.
class ReleasePoint {
 public:
  ReleasePoint() noexcept = default;
  explicit ReleasePoint(SyncPoint point) noexcept : point_(std::move(point)) {}
  ReleasePoint(ReleasePoint&& other) noexcept : point_(std::exchange(other.point_, {})) {}
  ReleasePoint& operator=(ReleasePoint&& other) noexcept {
    if (this != &other) {
      reset();
      point_ = std::exchange(other.point_, {});
    }
    return *this;
  }
  ReleasePoint(const ReleasePoint&) = delete;
  ReleasePoint& operator=(const ReleasePoint&) = delete;
  ~ReleasePoint() { reset(); }

  void reset() noexcept {
    if (const SyncPoint owed = std::exchange(point_, {})) owed.timeline->signal(owed.point);
  }

 private:
  SyncPoint point_;
};

}  // namespace zc
