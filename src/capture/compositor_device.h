#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <sys/types.h>

namespace zc {

/// The device that the Wayland compositor draws with: the main device of its default dmabuf feedback
/// (zwp_linux_dmabuf_v1, version 4). It may be any of a GPU's nodes. Takes `patience` at most.
///
/// NotFound, Timeout, Lost: no compositor answers. Unsupported: it does not tell, and why.
[[nodiscard]] Result<dev_t> compositor_device(Nanoseconds patience);

}  // namespace zc
