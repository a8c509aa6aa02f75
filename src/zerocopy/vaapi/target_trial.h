#pragma once

#include "zerocopy/target.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <memory>

namespace zc {

/// Writes a small picture into a surface of the target as a pass would, reads it back by libavutil and compares:
/// whether the driver's surfaces are laid out as it says. `format`: the target's. Unsupported: where it went wrong.
[[nodiscard]] Result<void> try_target(const std::shared_ptr<VulkanDevice>& vulkan, Target& target,
                                      const SurfaceFormat& format);

}  // namespace zc
