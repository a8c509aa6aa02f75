#include "zerocopy/producer_wait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace zc {

Result<void> wait_for_producer(const Dmabuf& dmabuf, Nanoseconds timeout) {
  constexpr const char* kOperation = "wait for the producer's GPU";
  const Nanoseconds deadline = monotonic_now() + timeout;
  for (unsigned i = 0; i < dmabuf.plane_count;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
    pollfd wanted{dmabuf.planes.at(i).fd.get(), POLLIN, 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (ready == 0) return fail(ErrorKind::Busy, kOperation, "it does not finish its picture");
    if (ready < 0 && errno != EINTR) return fail_errno(errno, kOperation);
    if (ready > 0) ++i;
  }
  return {};
}

}  // namespace zc
