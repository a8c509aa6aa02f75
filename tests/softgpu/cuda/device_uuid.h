#pragma once

#include <array>
#include <cstdint>

namespace zc::softgpu {

using DeviceUuid = std::array<std::uint8_t, 16>;

/// SOFTGPU_UUID (32 hexadecimal digits) where set, so that a test can have it differ; else the deviceUUID of the
/// software Vulkan device (VK_PHYSICAL_DEVICE_TYPE_CPU: lavapipe), as one and the same GPU has in both APIs; else one
/// of its own.
[[nodiscard]] DeviceUuid find_device_uuid();

}  // namespace zc::softgpu
