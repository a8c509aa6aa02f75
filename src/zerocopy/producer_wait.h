#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/dmabuf.h"

namespace zc {

/// Waits until the producer's writes are over: a dmabuf polls readable once its write fences have signalled
/// (linux/dma-buf.h, "implicit synchronization"); memory that is no dmabuf is always readable. Timeout: they are not.
[[nodiscard]] Result<void> wait_for_producer(const Dmabuf& dmabuf, Nanoseconds timeout);

}  // namespace zc
