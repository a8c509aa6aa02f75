#pragma once

#include "zerocopy/target.h"

#include <memory>

namespace zc {

class VulkanDevice;

/// Surfaces in memory that the GPU writes and the CPU reads, for software encoders.
[[nodiscard]] Result<std::unique_ptr<Target>> make_host_target(std::shared_ptr<VulkanDevice> device,
                                                               const SurfaceFormat& format, std::size_t limit);

}  // namespace zc
