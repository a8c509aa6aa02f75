#include "probe/apis.h"
#include "probe/modifier_names.h"
#include "probe/system_facts.h"
#include "zerocopy/vulkan/vulkan_device.h"
#include "zerocopy/vulkan/vulkan_image.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc::probe {
namespace {

/// One of each memory layout: the formats that compositors compose in.
constexpr std::array kFormats{PixelFormat::BGRx, PixelFormat::RGBx, PixelFormat::xRGB_210LE, PixelFormat::xBGR_210LE};

std::string version_text(std::uint32_t version) {
  return fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
                     VK_API_VERSION_PATCH(version));
}

FormatFacts modifiers_of(const VulkanInstance& instance, const VulkanGpu& gpu, PixelFormat format) {
  FormatFacts facts{.format = std::string(name(format)), .modifiers = {}};
  VkDrmFormatModifierPropertiesListEXT list{};
  list.sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT;
  VkFormatProperties2 properties{};
  properties.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2;
  properties.pNext = &list;
  instance.fn().GetPhysicalDeviceFormatProperties2(gpu.handle, vk_format(format), &properties);
  std::vector<VkDrmFormatModifierPropertiesEXT> modifiers(list.drmFormatModifierCount);
  list.pDrmFormatModifierProperties = modifiers.data();
  instance.fn().GetPhysicalDeviceFormatProperties2(gpu.handle, vk_format(format), &properties);
  for (const VkDrmFormatModifierPropertiesEXT& modifier : modifiers) {
    if ((modifier.drmFormatModifierTilingFeatures & VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT) == 0) continue;
    ModifierFacts& one = facts.modifiers.emplace_back(modifier_facts(modifier.drmFormatModifier));
    one.planes = modifier.drmFormatModifierPlaneCount;
  }
  return facts;
}

VulkanFacts facts_of(const VulkanInstance& instance, const VulkanGpu& gpu) {
  VulkanFacts facts;
  facts.name = gpu.name;
  facts.driver = gpu.driver;
  facts.version = version_text(gpu.api_version);
  facts.software = gpu.type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  facts.uuid = uuid_text(gpu.uuid);
  if (gpu.render_node) facts.render_node = node_number(gpu.render_node->major, gpu.render_node->minor);
  facts.pci = gpu.pci;
  facts.missing_linear = gpu.missing_for(VulkanUse::LinearDmabuf);
  facts.missing_tiled = gpu.missing_for(VulkanUse::TiledDmabuf);
  facts.missing_export = gpu.missing_for(VulkanUse::Export);
  if (!gpu.has(VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME)) return facts;
  for (const PixelFormat format : kFormats) facts.formats.push_back(modifiers_of(instance, gpu, format));
  return facts;
}

}  // namespace

Result<std::vector<VulkanFacts>> vulkan_facts() {
  const auto instance = VulkanInstance::create();
  if (!instance) return std::unexpected(instance.error());
  const auto gpus = (*instance)->gpus();
  if (!gpus) return std::unexpected(gpus.error());
  if (gpus->empty()) return fail(ErrorKind::Unsupported, "list the Vulkan devices", "no driver shows one");
  std::vector<VulkanFacts> facts;
  facts.reserve(gpus->size());
  for (const VulkanGpu& gpu : *gpus) facts.push_back(facts_of(**instance, gpu));
  return facts;
}

std::string uuid_text(const std::array<std::uint8_t, 16>& uuid) {
  if (std::ranges::all_of(uuid, [](std::uint8_t byte) { return byte == 0; })) return {};
  std::string text;
  for (const std::uint8_t byte : uuid) text += fmt::format("{:02x}", byte);
  return text;
}

bool software_renderer(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames{"llvmpipe", "softpipe", "swrast", "lavapipe", "SwiftShader"};
  return std::ranges::any_of(kNames, [&](std::string_view one) { return name.find(one) != std::string_view::npos; });
}

}  // namespace zc::probe
