#include "session/encode_ring.h"

#include <algorithm>
#include <utility>

namespace zc {

bool EncodeRing::push(EncodeJob job) {
  EncodeJob oldest;  // dies outside the lock
  {
    std::unique_lock lock(mutex_);
    if (count_ >= jobs_.size() && policy_ == RingPolicy::DropOldest) {
      oldest = std::move(jobs_[first_]);
      first_ = (first_ + 1) % jobs_.size();
      --count_;
      if (!oldest.repeat) ++dropped_;
    }
    changed_.wait(lock, [this] { return count_ < jobs_.size() || closed_; });
    if (count_ >= jobs_.size() || closed_) return false;
    jobs_[(first_ + count_) % jobs_.size()] = std::move(job);
    ++count_;
  }
  changed_.notify_all();
  return true;
}

std::optional<EncodeJob> EncodeRing::pop(std::optional<Nanoseconds> until) {
  std::optional<EncodeJob> job;
  {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return count_ > 0 || closed_ || woken_; };
    if (until) {
      changed_.wait_until(lock, std::chrono::steady_clock::time_point(*until), ready);
    } else {
      changed_.wait(lock, ready);
    }
    woken_ = false;
    if (count_ == 0) return std::nullopt;
    job = std::exchange(jobs_[first_], EncodeJob{});
    first_ = (first_ + 1) % jobs_.size();
    --count_;
  }
  changed_.notify_all();
  return job;
}

void EncodeRing::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void EncodeRing::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

bool EncodeRing::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

std::size_t EncodeRing::depth() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

std::uint64_t EncodeRing::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace zc
