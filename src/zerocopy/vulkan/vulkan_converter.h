#pragma once

#include "base/error.h"
#include "zerocopy/converter.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <memory>

namespace zc {

/// Dmabufs of RGB pictures, LINEAR and tiled, through Vulkan's compute pass. Unsupported where the device does not
/// import dmabufs.
[[nodiscard]] Result<std::unique_ptr<Converter>> make_vulkan_converter(const std::shared_ptr<VulkanDevice>& device);

/// The same on a device that imports no dmabufs, for a decoder's pictures and layers. Unsupported where it draws none.
[[nodiscard]] Result<std::unique_ptr<Converter>> make_vulkan_composer(const std::shared_ptr<VulkanDevice>& device);

}  // namespace zc
