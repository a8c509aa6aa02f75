// A timeline without a GPU: a counter in a memfd, whose descriptor travels like a syncobj's.
#pragma once

#include "base/unique_fd.h"
#include "media/timeline.h"

#include <atomic>
#include <cstdint>
#include <memory>

namespace zc::test {

class FakeTimeline final : public Timeline {
 public:
  struct Memory {
    std::atomic<std::uint64_t> reached;
    std::atomic<std::uint64_t> signals;  ///< how often somebody signalled
  };
  /// A new one, at point 0.
  static std::shared_ptr<FakeTimeline> create();
  /// The one behind a descriptor, in this process or another; null when there is none.
  static std::shared_ptr<FakeTimeline> open(int fd);
  ~FakeTimeline() override;
  FakeTimeline(const FakeTimeline&) = delete;
  FakeTimeline& operator=(const FakeTimeline&) = delete;

  Result<void> wait(std::uint64_t point, Nanoseconds timeout) override;
  void signal(std::uint64_t point) noexcept override;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::uint64_t reached() const { return memory_->reached; }
  [[nodiscard]] std::uint64_t signals() const { return memory_->signals; }

 private:
  FakeTimeline(UniqueFd fd, Memory* memory) : fd_(std::move(fd)), memory_(memory) {}
  UniqueFd fd_;
  Memory* memory_;
};

class FakeTimelines final : public TimelineDevice {
 public:
  Result<std::shared_ptr<Timeline>> import(int fd) override;
  bool broken = false;  ///< every import fails
};

}  // namespace zc::test
