#include "zerocopy/producer_wait.h"

#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <variant>

namespace zc {
namespace {

constexpr const char* kOperation = "wait for the producer's GPU";

UniqueFd export_writers(int dmabuf) {
#ifdef DMA_BUF_IOCTL_EXPORT_SYNC_FILE
  dma_buf_export_sync_file request{};
  request.flags = DMA_BUF_SYNC_READ;  // what a reader must wait for: the writers
  request.fd = -1;
  if (::ioctl(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &request) == 0) return UniqueFd(request.fd);
#else
  static_cast<void>(dmabuf);
#endif
  return {};
}

int poll_readable(int fd, int timeout_ms) {
  pollfd wanted{fd, POLLIN, 0};
  return ::poll(&wanted, 1, timeout_ms);
}

constexpr FenceCalls kSystem{export_writers, poll_readable};

Result<void> wait_for_plane(int dmabuf, Nanoseconds deadline, const FenceCalls& calls) {
  const UniqueFd writers = calls.export_writers(dmabuf);
  const int fd = writers ? writers.get() : dmabuf;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
    const int ready = calls.poll_readable(fd, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (ready > 0) return {};
    if (ready == 0) return fail(ErrorKind::Busy, kOperation, "it does not finish its picture");
    if (errno != EINTR) {
      auto error = fail_errno(errno, kOperation);
      error.error().kind = ErrorKind::Internal;
      return error;
    }
  }
}

}  // namespace

const FenceCalls& system_fence_calls() { return kSystem; }

Result<void> wait_for_producer(const Dmabuf& dmabuf, Nanoseconds timeout, const FenceCalls& calls) {
  const Nanoseconds deadline = monotonic_now() + timeout;
  for (unsigned i = 0; i < dmabuf.plane_count; ++i) {
    if (auto ready = wait_for_plane(dmabuf.planes.at(i).fd.get(), deadline, calls); !ready) return ready;
  }
  return {};
}

Result<void> wait_for_producer(const Frame& frame, Nanoseconds timeout, const FenceCalls& calls) {
  if (frame.acquire) {
    auto reached = frame.acquire.timeline->wait(frame.acquire.point, timeout);
    if (!reached) {
      const bool late = reached.error().kind == ErrorKind::Timeout;
      reached.error().kind = late ? ErrorKind::Busy : ErrorKind::Internal;
    }
    return reached;
  }
  const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (dmabuf == nullptr || !*dmabuf) return {};
  return wait_for_producer(**dmabuf, timeout, calls);
}

}  // namespace zc
