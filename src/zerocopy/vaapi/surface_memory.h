#pragma once

#include "base/error.h"
#include "gpu/vaapi/device.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/vulkan_buffer.h"
#include "zerocopy/vulkan/vulkan_image.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace zc {

/// The memory of one VA-API surface, imported into Vulkan: either all of it as a buffer, which a pass writes where it
/// is, or each plane as an image to copy to.
struct SurfaceMemory {
  VASurfaceID surface = VA_INVALID_SURFACE;
  VulkanBuffer whole;
  SurfaceLayout layout;               ///< of `whole`
  std::array<VulkanImage, 2> planes;  ///< where there is no `whole`
};

/// What the planes of such a surface are as images: each sample, or pair of interleaved ones, a texel.
[[nodiscard]] const std::array<VkFormat, 2>& plane_formats(PixelFormat format);

/// The layouts that Vulkan can write surfaces of this format in: as an image of each plane, or LINEAR as a buffer.
[[nodiscard]] std::vector<std::uint64_t> writable_modifiers(const VulkanDevice& vulkan, PixelFormat format);

/// Exports a surface and imports it. `as_buffer`: as a whole, if it is LINEAR, in one piece and its planes begin where
/// a pass can write them. `format`: NV12 or P010. Unsupported: the driver exports something else, or Vulkan does not
/// take it.
[[nodiscard]] Result<SurfaceMemory> import_surface(const std::shared_ptr<VulkanDevice>& vulkan,
                                                   const vaapi::Device& device, VASurfaceID surface, PixelFormat format,
                                                   Size size, bool as_buffer);

}  // namespace zc
