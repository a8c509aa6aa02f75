#include "zerocopy/vulkan/drm_modifiers.h"

#include <algorithm>
#include "media/dmabuf.h"

namespace zc {
namespace {

std::vector<VkDrmFormatModifierPropertiesEXT> listed(const VulkanInstanceFunctions& fn, const VulkanGpu& gpu,
                                                     VkFormat format) {
  VkDrmFormatModifierPropertiesListEXT list{};
  list.sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT;
  VkFormatProperties2 properties{};
  properties.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2;
  properties.pNext = &list;
  fn.GetPhysicalDeviceFormatProperties2(gpu.handle, format, &properties);
  std::vector<VkDrmFormatModifierPropertiesEXT> rows(list.drmFormatModifierCount);
  list.pDrmFormatModifierProperties = rows.data();
  fn.GetPhysicalDeviceFormatProperties2(gpu.handle, format, &properties);
  rows.resize(std::min<std::size_t>(rows.size(), list.drmFormatModifierCount));
  return rows;
}

/// What the driver says of an import with this modifier; nullopt when it does not do it.
std::optional<DrmModifier> ask(const VulkanInstanceFunctions& fn, const VulkanGpu& gpu, const ImageUse& use,
                               const VkDrmFormatModifierPropertiesEXT& row) {
  const VkFormatFeatureFlags needed = use.usage == VK_IMAGE_USAGE_SAMPLED_BIT ? VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT
                                                                              : VK_FORMAT_FEATURE_TRANSFER_DST_BIT;
  if ((row.drmFormatModifierTilingFeatures & needed) == 0) return std::nullopt;
  if (row.drmFormatModifierPlaneCount == 0 || row.drmFormatModifierPlaneCount > Dmabuf::kMaxPlanes) return std::nullopt;
  VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier{};
  modifier.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT;
  modifier.drmFormatModifier = row.drmFormatModifier;
  modifier.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  VkPhysicalDeviceExternalImageFormatInfo external{};
  external.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO;
  external.pNext = &modifier;
  external.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
  VkPhysicalDeviceImageFormatInfo2 wanted{};
  wanted.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2;
  wanted.pNext = &external;
  wanted.format = use.format;
  wanted.type = VK_IMAGE_TYPE_2D;
  wanted.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
  wanted.usage = use.usage;
  VkExternalImageFormatProperties memory{};
  memory.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES;
  VkImageFormatProperties2 answer{};
  answer.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2;
  answer.pNext = &memory;
  if (fn.GetPhysicalDeviceImageFormatProperties2(gpu.handle, &wanted, &answer) != VK_SUCCESS) return std::nullopt;
  const VkExternalMemoryFeatureFlags features = memory.externalMemoryProperties.externalMemoryFeatures;
  if ((features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) == 0) return std::nullopt;
  return DrmModifier{
      .modifier = row.drmFormatModifier,
      .planes = row.drmFormatModifierPlaneCount,
      .disjoint = (row.drmFormatModifierTilingFeatures & VK_FORMAT_FEATURE_DISJOINT_BIT) != 0,
      .dedicated = (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0,
      .max_size = {answer.imageFormatProperties.maxExtent.width, answer.imageFormatProperties.maxExtent.height}};
}

bool possible(const VulkanGpu& gpu, VkFormat format) {
  return format != VK_FORMAT_UNDEFINED && gpu.missing_for(VulkanUse::TiledDmabuf).empty();
}

}  // namespace

std::vector<DrmModifier> importable_modifiers(const VulkanInstanceFunctions& fn, const VulkanGpu& gpu,
                                              const ImageUse& use) {
  std::vector<DrmModifier> found;
  if (!possible(gpu, use.format)) return found;
  for (const VkDrmFormatModifierPropertiesEXT& row : listed(fn, gpu, use.format)) {
    if (const auto modifier = ask(fn, gpu, use, row)) found.push_back(*modifier);
  }
  std::ranges::stable_partition(found, [](const DrmModifier& m) { return m.modifier != kModifierLinear; });
  return found;
}

std::optional<DrmModifier> importable_modifier(const VulkanInstanceFunctions& fn, const VulkanGpu& gpu,
                                               const ImageUse& use, std::uint64_t modifier) {
  if (!possible(gpu, use.format)) return std::nullopt;
  for (const VkDrmFormatModifierPropertiesEXT& row : listed(fn, gpu, use.format)) {
    if (row.drmFormatModifier == modifier) return ask(fn, gpu, use, row);
  }
  return std::nullopt;
}

}  // namespace zc
