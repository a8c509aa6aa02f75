#pragma once

#include "base/error.h"
#include "zerocopy/device/device_converter.h"

#include <memory>

namespace zc {

/// Dmabufs of RGB pictures, LINEAR and tiled, through Vulkan's compute pass. Unsupported where the device does not
/// import dmabufs.
[[nodiscard]] Result<std::unique_ptr<DeviceConverter>> make_vulkan_route(const DeviceSetup& setup);

}  // namespace zc
