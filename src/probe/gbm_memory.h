// Buffers as compositors make them: through GBM, in the driver's own layout.
#pragma once

#include "base/error.h"
#include "probe/frame_memory.h"

namespace zc::probe {

/// On each render node in turn, the best of `modifiers` that its driver allocates. The picture is written through a
/// mapping, which detiles on the driver's side.
[[nodiscard]] Result<std::shared_ptr<const Dmabuf>> make_gbm_buffer(const TestPicture& picture,
                                                                    std::span<const std::uint64_t> modifiers);

}  // namespace zc::probe
