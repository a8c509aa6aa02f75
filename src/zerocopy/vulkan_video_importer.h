#pragma once

#include "base/error.h"
#include "zerocopy/importer.h"

#include <cstddef>
#include <memory>

namespace zc {

class VulkanDevice;

/// Surfaces of Vulkan images that may be out at a time: more than the ring and an encoder hold.
inline constexpr std::size_t kVulkanVideoSurfaceLimit = 32;

struct VulkanVideoImporterOptions {
  /// Only what the GPU converts: no shared memory, no way out when the GPU fails.
  bool strict = false;
  std::size_t surface_limit = kVulkanVideoSurfaceLimit;
  /// One of VulkanDevice::adopt(), whether it encodes or not; null: the first that does.
  std::shared_ptr<VulkanDevice> device = nullptr;
};

/// FFmpeg's device on the first GPU that it has encoders for; `software`: where there is no GPU at all, that on a
/// software renderer, which encodes nothing: for trying. Unsupported: what each device lacks; FFmpeg before 7.1 has no
/// encoders.
[[nodiscard]] Result<std::shared_ptr<VulkanDevice>> find_vulkan_video_device(bool software = false);

/// Dmabufs to Vulkan images that FFmpeg's Vulkan Video encoders take as they are: one compute pass crops, turns,
/// scales, converts and draws the cursor, and a copy in the same submission places the picture's planes in the image;
/// no pixel goes through the CPU. What the pass does not take (shared memory, formats that are not RGB), and every
/// picture after the GPU has failed (one warning says so), is made in host memory and uploaded, so that the encoder
/// goes on. Configured for surfaces in host memory it is make_vulkan_importer() or the CPU's.
///
/// Besides what Importer says, import() gives NotFound for a frame without a picture before the first one with a
/// picture since configure(), Invalid for a malformed frame, Unsupported for what none of the ways reads, and Lost when
/// the device is gone (strict: when the pass is).
///
/// Unsupported where find_vulkan_video_device() finds none, or a small test picture does not come back from FFmpeg's
/// images as it was; the detail says what is missing.
[[nodiscard]] Result<std::unique_ptr<Importer>> make_vulkan_video_importer(
    const VulkanVideoImporterOptions& options = {});

}  // namespace zc
