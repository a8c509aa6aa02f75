#pragma once

#include "media/geometry.h"
#include "media/pixel_format.h"
#include "zerocopy/vulkan/vulkan_device.h"
#include "zerocopy/vulkan/vulkan_image.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace zc {

/// A layout of memory that a device imports dmabufs in.
struct DrmModifier {
  std::uint64_t modifier = 0;
  unsigned planes = 0;     ///< of memory: those of the format and the modifier's own (compression data)
  bool disjoint = false;   ///< the planes may lie in different buffers
  bool dedicated = false;  ///< VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT
  Size max_size;           ///< px
  bool operator==(const DrmModifier&) const = default;
};

/// Every modifier that the driver lists for this use (VkDrmFormatModifierPropertiesListEXT) and whose import it says it
/// supports (VkExternalImageFormatProperties): tiled ones in the driver's order, LINEAR last. Empty where the device
/// lacks VulkanUse::TiledDmabuf or the format.
[[nodiscard]] std::vector<DrmModifier> importable_modifiers(const VulkanInstanceFunctions& fn, const VulkanGpu& gpu,
                                                            const ImageUse& use);
/// One of them; nullopt when the driver does not import it.
[[nodiscard]] std::optional<DrmModifier> importable_modifier(const VulkanInstanceFunctions& fn, const VulkanGpu& gpu,
                                                             const ImageUse& use, std::uint64_t modifier);

/// The same for pictures of this format, to be sampled.
[[nodiscard]] inline std::vector<DrmModifier> importable_modifiers(const VulkanInstanceFunctions& fn,
                                                                   const VulkanGpu& gpu, PixelFormat format) {
  return importable_modifiers(fn, gpu, ImageUse{.format = vk_format(format)});
}
[[nodiscard]] inline std::optional<DrmModifier> importable_modifier(const VulkanInstanceFunctions& fn,
                                                                    const VulkanGpu& gpu, PixelFormat format,
                                                                    std::uint64_t modifier) {
  return importable_modifier(fn, gpu, ImageUse{.format = vk_format(format)}, modifier);
}

}  // namespace zc
