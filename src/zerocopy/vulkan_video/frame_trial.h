#pragma once

#include "base/error.h"
#include "media/surface.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <memory>

namespace zc {

/// Writes a small picture into one of FFmpeg's Vulkan frames of this format on an adopted device, reads it back by
/// FFmpeg and compares: whether FFmpeg makes such frames here, and means the same by their planes as we do.
/// Unsupported: where it went wrong.
[[nodiscard]] Result<void> try_vulkan_frames(const std::shared_ptr<VulkanDevice>& device, PixelFormat format);

}  // namespace zc
