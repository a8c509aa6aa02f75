#include "support/fake_timeline.h"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <utility>

namespace zc::test {

std::shared_ptr<FakeTimeline> FakeTimeline::create() {
  const UniqueFd fd(::memfd_create("zerocast-test-timeline", MFD_CLOEXEC));
  if (!fd || ::ftruncate(fd.get(), sizeof(Memory)) != 0) return nullptr;
  return open(fd.get());
}

std::shared_ptr<FakeTimeline> FakeTimeline::open(int fd) {
  auto own = UniqueFd::dup(fd);
  if (!own || ::lseek(fd, 0, SEEK_END) < static_cast<off_t>(sizeof(Memory))) return nullptr;
  void* map = ::mmap(nullptr, sizeof(Memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return nullptr;
  return std::shared_ptr<FakeTimeline>(new FakeTimeline(std::move(*own), static_cast<Memory*>(map)));
}

FakeTimeline::~FakeTimeline() { ::munmap(memory_, sizeof(Memory)); }

Result<void> FakeTimeline::wait(std::uint64_t point, Nanoseconds timeout) {
  const Nanoseconds deadline = monotonic_now() + timeout;
  while (memory_->reached < point) {
    if (monotonic_now() >= deadline) return fail(ErrorKind::Timeout, "wait for a timeline", "not reached");
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return {};
}

void FakeTimeline::signal(std::uint64_t point) noexcept {
  ++memory_->signals;
  std::uint64_t now = memory_->reached;
  while (now < point && !memory_->reached.compare_exchange_weak(now, point)) {
  }
}

Result<std::shared_ptr<Timeline>> FakeTimelines::import(int fd) {
  auto timeline = broken ? nullptr : FakeTimeline::open(fd);
  if (!timeline) return fail(ErrorKind::Invalid, "open the producer's timeline", "it is none");
  return timeline;
}

}  // namespace zc::test
