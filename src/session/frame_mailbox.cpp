#include "session/frame_mailbox.h"

#include <utility>

namespace zc {

void FrameMailbox::put(Frame frame) {
  std::optional<Frame> replaced;  // dies outside the lock: its lease goes back without holding up the consumer
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;  // the parameter dies in the caller, outside the lock
    if (slot_) {
      if (frame.supersede(std::move(*slot_))) ++overwritten_;
      replaced = std::exchange(slot_, std::nullopt);
    }
    slot_ = std::move(frame);
  }
  arrived_.notify_one();
}

std::optional<Frame> FrameMailbox::take(const std::stop_token& stop, std::optional<Nanoseconds> deadline) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return slot_.has_value() || woken_; };
  if (deadline) {
    arrived_.wait_until(lock, stop, std::chrono::steady_clock::time_point(*deadline), ready);
  } else {
    arrived_.wait(lock, stop, ready);
  }
  woken_ = false;
  if (stop.stop_requested()) return std::nullopt;
  return std::exchange(slot_, std::nullopt);
}

void FrameMailbox::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  arrived_.notify_one();
}

void FrameMailbox::close() {
  std::optional<Frame> left;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  left = std::exchange(slot_, std::nullopt);
}

std::uint64_t FrameMailbox::overwritten() const {
  const std::lock_guard lock(mutex_);
  return overwritten_;
}

}  // namespace zc
