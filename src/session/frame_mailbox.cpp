#include "session/frame_mailbox.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

namespace zc {

bool FrameMailbox::latches(const Frame& frame) const {
  return latch_ > Nanoseconds{} && std::holds_alternative<std::shared_ptr<const Dmabuf>>(frame.image) && !frame.acquire;
}

std::optional<Frame> FrameMailbox::deliver(Frame frame) {
  std::optional<Frame> replaced;
  if (slot_) {
    if (frame.supersede(std::move(*slot_))) ++overwritten_;
    replaced = std::exchange(slot_, std::nullopt);
  }
  slot_ = std::move(frame);
  return replaced;
}

void FrameMailbox::put(Frame frame) {
  // These die outside the lock: their leases go back without holding up the consumer.
  std::optional<Frame> replaced;
  std::optional<Frame> joined;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;  // the parameter dies in the caller, outside the lock
    if (held_ && !frame.has_image()) {
      // Only the pointer has news: the picture it joins is not done because of that.
      static_cast<void>(frame.supersede(std::move(*held_)));
      joined = std::exchange(held_, std::move(frame));
      return;
    }
    if (held_) replaced = deliver(std::move(*std::exchange(held_, std::nullopt)));
    if (latches(frame)) {
      held_ = std::move(frame);
      held_since_ = monotonic_now();
    } else {
      joined = deliver(std::move(frame));
    }
  }
  arrived_.notify_one();
}

std::optional<Frame> FrameMailbox::take(const std::stop_token& stop, std::optional<Nanoseconds> deadline) {
  std::optional<Frame> replaced;  // dies outside the lock
  std::unique_lock lock(mutex_);
  while (true) {
    const Nanoseconds since = held_since_;
    const auto ready = [&] { return slot_.has_value() || woken_ || (held_ && held_since_ != since); };
    std::optional<Nanoseconds> limit = deadline;
    if (held_) limit = std::min(deadline.value_or(Nanoseconds::max()), held_since_ + latch_);
    if (limit) {
      arrived_.wait_until(lock, stop, std::chrono::steady_clock::time_point(*limit), ready);
    } else {
      arrived_.wait(lock, stop, ready);
    }
    if (slot_ || woken_ || stop.stop_requested()) break;
    const Nanoseconds now = monotonic_now();
    if (held_ && now >= held_since_ + latch_) replaced = deliver(std::move(*std::exchange(held_, std::nullopt)));
    if (slot_ || (deadline && now >= *deadline)) break;
  }
  woken_ = false;
  if (stop.stop_requested()) return std::nullopt;
  return std::exchange(slot_, std::nullopt);
}

void FrameMailbox::unlatch() {
  const std::lock_guard lock(mutex_);
  // Whatever was in the slot was taken over or is older: it is counted, and dies with this call.
  if (held_) static_cast<void>(deliver(std::move(*std::exchange(held_, std::nullopt))));
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
  std::optional<Frame> held;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  left = std::exchange(slot_, std::nullopt);
  held = std::exchange(held_, std::nullopt);
}

void FrameMailbox::reopen() {
  const std::lock_guard lock(mutex_);
  closed_ = false;
}

std::uint64_t FrameMailbox::overwritten() const {
  const std::lock_guard lock(mutex_);
  return overwritten_;
}

}  // namespace zc
