#pragma once

#include "gpu/gpu_address.h"
#include "zerocopy/target.h"

#include <memory>
#include <optional>

namespace zc {

class VulkanDevice;

/// FFmpeg's device on the GPU wanted, else on the first one that it has encoders for; `software`: where there is no GPU
/// at all, that on a software renderer, which encodes nothing: for trying. Unsupported: what each device lacks; FFmpeg
/// before 7.1 has no encoders.
[[nodiscard]] Result<std::shared_ptr<VulkanDevice>> find_vulkan_video_device(
    bool software = false, const std::optional<GpuAddress>& wanted = {});

/// Surfaces of Vulkan images that FFmpeg's Vulkan Video encoders take as they are: a picture is made in a buffer, and a
/// copy in the same submission places its planes in the image. `device` is one of VulkanDevice::adopt(). Unsupported:
/// such surfaces cannot be had, or a small picture does not come back from one as it was put in.
[[nodiscard]] Result<std::unique_ptr<Target>> make_vulkan_video_target(const std::shared_ptr<VulkanDevice>& device,
                                                                       const SurfaceFormat& format, std::size_t limit);

}  // namespace zc
