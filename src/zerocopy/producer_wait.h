// The producer's GPU may still be painting a picture when it hands the buffer over.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "media/dmabuf.h"
#include "media/frame.h"

namespace zc {

/// The kernel's part of it; something else in tests.
struct FenceCalls {
  /// A sync_file of the dmabuf's writers at this moment (DMA_BUF_IOCTL_EXPORT_SYNC_FILE, Linux 6.0); empty where there
  /// is no such thing.
  UniqueFd (*export_writers)(int dmabuf);
  /// poll(2) for POLLIN: above 0 readable, 0 not in that time, below 0 with errno.
  int (*poll_readable)(int fd, int timeout_ms);
};
[[nodiscard]] const FenceCalls& system_fence_calls();

/// Waits until the producer's writes are over, those of each plane's buffer (linux/dma-buf.h, "implicit
/// synchronization"): on the fences as they are now where the kernel hands these out, else on the buffer itself, which
/// polls readable once its write fences have signalled, later ones included. Memory that is no dmabuf is always
/// readable. Busy: they are not over in that time.
[[nodiscard]] Result<void> wait_for_producer(const Dmabuf& dmabuf, Nanoseconds timeout,
                                             const FenceCalls& calls = system_fence_calls());

/// The same for whatever picture the frame has: on its acquire point where the producer gave one, else on the dmabuf.
/// Shared memory is always readable. Whoever takes frames from a source calls this once for each before it gives it to
/// an importer; importers rely on that and wait for no producer themselves.
[[nodiscard]] Result<void> wait_for_producer(const Frame& frame, Nanoseconds timeout,
                                             const FenceCalls& calls = system_fence_calls());

}  // namespace zc
