#include "session/frame_mailbox.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

namespace zc {
namespace {

/// Of the producer's buffers: one that it writes to and one on its way.
constexpr std::uint32_t kLeastSpare = 2;

}  // namespace

bool FrameMailbox::latches(const Frame& frame) const {
  return latch_ > Nanoseconds{} && std::holds_alternative<std::shared_ptr<const Dmabuf>>(frame.image) && !frame.acquire;
}

std::optional<Frame> FrameMailbox::pop() {
  if (count_ == 0) return std::nullopt;
  std::optional<Frame> oldest = std::exchange(slot(0), std::nullopt);
  first_ = (first_ + 1) % kMostFrames;
  --count_;
  return oldest;
}

std::optional<Frame> FrameMailbox::join(std::optional<Frame>& waiting, Frame news) const {
  if (waiting->has_image()) news.pts = waiting->pts;
  static_cast<void>(news.supersede(std::move(*waiting)));
  return std::exchange(waiting, std::move(news));
}

void FrameMailbox::deliver(Frame frame, Waste& waste) {
  auto* scrap = waste.begin();
  if (count_ > 0 && !frame.has_image()) {  // the pointer's news join what waits
    *scrap = join(slot(count_ - 1), std::move(frame));
    return;
  }
  std::uint32_t spare = frame.spare;
  while (count_ > 0 && (count_ == depth_ || spare < kLeastSpare)) {
    *scrap = pop();
    Frame& next = count_ > 0 ? *slot(0) : frame;
    if (next.supersede(std::move(**scrap))) {
      ++overwritten_;
      ++spare;
    }
    ++scrap;
  }
  slot(count_++) = std::move(frame);
}

void FrameMailbox::put(Frame frame) {
  Waste waste_of_held;
  Waste waste;
  std::optional<Frame> joined;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;  // the parameter dies in the caller, outside the lock
    if (held_ && !frame.has_image()) {
      // Only the pointer has news: the picture it joins is not done because of that.
      joined = join(held_, std::move(frame));
      return;
    }
    if (held_) {
      held_->spare = std::min(held_->spare, frame.spare);
      deliver(std::move(*std::exchange(held_, std::nullopt)), waste_of_held);
    }
    if (latches(frame)) {
      held_ = std::move(frame);
      held_since_ = monotonic_now();
    } else {
      deliver(std::move(frame), waste);
    }
  }
  arrived_.notify_one();
}

std::optional<Frame> FrameMailbox::take(const std::stop_token& stop, std::optional<Nanoseconds> deadline) {
  Waste waste;
  std::unique_lock lock(mutex_);
  while (true) {
    const Nanoseconds since = held_since_;
    const auto ready = [&] { return count_ > 0 || woken_ || (held_ && held_since_ != since); };
    std::optional<Nanoseconds> limit = deadline;
    if (held_) limit = std::min(deadline.value_or(Nanoseconds::max()), held_since_ + latch_);
    if (limit) {
      arrived_.wait_until(lock, stop, std::chrono::steady_clock::time_point(*limit), ready);
    } else {
      arrived_.wait(lock, stop, ready);
    }
    if (count_ > 0 || woken_ || stop.stop_requested()) break;
    const Nanoseconds now = monotonic_now();
    if (held_ && now >= held_since_ + latch_) deliver(std::move(*std::exchange(held_, std::nullopt)), waste);
    if (count_ > 0 || (deadline && now >= *deadline)) break;
  }
  woken_ = false;
  if (stop.stop_requested()) return std::nullopt;
  return pop();
}

std::optional<Frame> FrameMailbox::take_newest(const std::stop_token& stop, std::optional<Nanoseconds> deadline) {
  std::optional<Frame> newest = take(stop, deadline);
  while (newest) {
    std::optional<Frame> next = take(stop, Nanoseconds{});
    if (!next) break;
    static_cast<void>(next->supersede(std::move(*newest)));
    newest = std::move(next);
  }
  return newest;
}

void FrameMailbox::unlatch() {
  Waste waste;
  const std::lock_guard lock(mutex_);
  if (held_) deliver(std::move(*std::exchange(held_, std::nullopt)), waste);
}

void FrameMailbox::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  arrived_.notify_one();
}

void FrameMailbox::close() {
  Waste left;
  std::optional<Frame> held;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  left = std::exchange(slots_, {});
  first_ = count_ = 0;
  held = std::exchange(held_, std::nullopt);
}

void FrameMailbox::reopen() {
  const std::lock_guard lock(mutex_);
  closed_ = false;
}

std::size_t FrameMailbox::waiting() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

std::uint64_t FrameMailbox::overwritten() const {
  const std::lock_guard lock(mutex_);
  return overwritten_;
}

}  // namespace zc
