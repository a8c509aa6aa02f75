// A Vulkan layer that gives lavapipe VK_EXT_image_drm_format_modifier where it does not advertise it (it implements the
// LINEAR modifier but wants a kernel with udmabuf) and two made-up modifiers, see test_modifiers.h: with it the import
// of tiled dmabufs runs on any machine, memfds standing for the buffers. Other devices pass through unchanged.
// ZEROCAST_VKLAYER_NODE=MAJOR:MINOR says which render node such a device is behind (VK_EXT_physical_device_drm);
// ZEROCAST_VKLAYER_HIDE names an extension that such a device does not advertise either;
// ZEROCAST_VKLAYER_REFUSE=tiled:N lets every import of a tiled dmabuf fail once the device was given work N times,
// all:N that of any dmabuf.
#include "vklayer/tiled_images.h"

#include <vulkan/vk_layer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace zc::test {
namespace {

constexpr const char* kLayer = "VK_LAYER_ZEROCAST_modifiers";
constexpr const char* kExtension = VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME;

#define ZC_INSTANCE_FUNCTIONS(X)        \
  X(DestroyInstance)                    \
  X(CreateDevice)                       \
  X(EnumerateDeviceExtensionProperties) \
  X(GetPhysicalDeviceProperties)        \
  X(GetPhysicalDeviceProperties2)       \
  X(GetPhysicalDeviceMemoryProperties)  \
  X(GetPhysicalDeviceFormatProperties2) \
  X(GetPhysicalDeviceImageFormatProperties2)

// NOLINTBEGIN(cppcoreguidelines-prefer-member-initializer): one line per function by the macro
/// The next layer's functions, looked up while the instance is made: later the loader answers with the whole chain's.
struct Instance {
  Instance() = default;
  Instance(PFN_vkGetInstanceProcAddr next, VkInstance instance)
      : get(next){
#define ZC_FIND(name) name = reinterpret_cast<PFN_vk##name>(next(instance, "vk" #name));
            ZC_INSTANCE_FUNCTIONS(ZC_FIND)
#undef ZC_FIND
        } PFN_vkGetInstanceProcAddr get = nullptr;
#define ZC_MEMBER(name) PFN_vk##name name = nullptr;
  ZC_INSTANCE_FUNCTIONS(ZC_MEMBER)
#undef ZC_MEMBER
};
// NOLINTEND(cppcoreguidelines-prefer-member-initializer)

/// Everything dispatchable begins with a pointer that is the same for an instance and its physical devices, or for a
/// device and its queues.
void* key_of(const void* handle) { return *static_cast<void* const*>(handle); }

std::mutex g_mutex;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): a layer has no other place
std::map<void*, Instance> g_instances;                    // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::map<void*, std::shared_ptr<TiledImages>> g_devices;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

Instance instance_of(const void* handle) {
  const std::lock_guard lock(g_mutex);
  return g_instances.at(key_of(handle));
}

std::shared_ptr<TiledImages> device_of(const void* handle) {
  const std::lock_guard lock(g_mutex);
  return g_devices.at(key_of(handle));
}

/// The link of the loader's chain that says who comes next.
template <class Link, class Create>
Link* next_link(const Create* create, VkStructureType type) {
  // NOLINTBEGIN(*-const-cast,bugprone-casting-through-void): a chain of void, and the loader wants it moved on
  auto* link = static_cast<Link*>(const_cast<void*>(create->pNext));
  while (link != nullptr && (link->sType != type || link->function != VK_LAYER_LINK_INFO)) {
    link = static_cast<Link*>(const_cast<void*>(link->pNext));
  }
  // NOLINTEND(*-const-cast,bugprone-casting-through-void)
  return link;
}

std::vector<VkExtensionProperties> real_extensions(const Instance& instance, VkPhysicalDevice gpu) {
  const auto next = instance.EnumerateDeviceExtensionProperties;
  std::uint32_t count = 0;
  next(gpu, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> all(count);
  next(gpu, nullptr, &count, all.data());
  const char* hidden = std::getenv("ZEROCAST_VKLAYER_HIDE");  // NOLINT(concurrency-mt-unsafe): set before the program
  if (hidden != nullptr) std::erase_if(all, [&](const auto& e) { return std::string_view(e.extensionName) == hidden; });
  return all;
}

bool software(const Instance& instance, VkPhysicalDevice gpu) {
  VkPhysicalDeviceProperties properties{};
  instance.GetPhysicalDeviceProperties(gpu, &properties);
  return properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

/// A software device that lacks the extension but has what it takes.
bool ours(const Instance& instance, VkPhysicalDevice gpu) {
  if (!software(instance, gpu)) return false;
  const auto all = real_extensions(instance, gpu);
  return std::ranges::none_of(all, [](const auto& e) { return std::string_view(e.extensionName) == kExtension; });
}

/// "226:128"; null: none was asked for.
const char* node() { return std::getenv("ZEROCAST_VKLAYER_NODE"); }  // NOLINT(concurrency-mt-unsafe): set before

/// The extensions that are the layer's own work.
std::vector<std::string_view> added(const Instance& instance, VkPhysicalDevice gpu) {
  std::vector<std::string_view> names;
  if (ours(instance, gpu)) names.emplace_back(kExtension);
  if (node() != nullptr && software(instance, gpu)) names.emplace_back(VK_EXT_PHYSICAL_DEVICE_DRM_EXTENSION_NAME);
  return names;
}

template <class T>
const T* find_in(const void* chain, VkStructureType type) {
  for (const auto* s = static_cast<const VkBaseInStructure*>(chain); s != nullptr; s = s->pNext) {
    if (s->sType == type) return reinterpret_cast<const T*>(s);
  }
  return nullptr;
}
template <class T>
T* find_out(void* chain, VkStructureType type) {
  for (auto* s = static_cast<VkBaseOutStructure*>(chain); s != nullptr; s = s->pNext) {
    if (s->sType == type) return reinterpret_cast<T*>(s);
  }
  return nullptr;
}

std::atomic<unsigned> g_submissions = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

/// The driver has changed its mind about dmabufs of this kind.
bool refuses(bool tiled) {
  const char* text = std::getenv("ZEROCAST_VKLAYER_REFUSE");  // NOLINT(concurrency-mt-unsafe): set before the program
  if (text == nullptr) return false;
  const std::string_view what(text);
  const std::size_t colon = what.find(':');
  if (what.substr(0, colon) == "tiled" && !tiled) return false;
  return colon != std::string_view::npos && g_submissions >= std::strtoul(text + colon + 1, nullptr, 10);
}

VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo* info, const VkAllocationCallbacks* alloc,
                                               VkInstance* instance) {
  auto* link = next_link<VkLayerInstanceCreateInfo>(info, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
  if (link == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
  const PFN_vkGetInstanceProcAddr get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  const auto next = reinterpret_cast<PFN_vkCreateInstance>(get(VK_NULL_HANDLE, "vkCreateInstance"));
  const VkResult r = next(info, alloc, instance);
  if (r != VK_SUCCESS) return r;
  const std::lock_guard lock(g_mutex);
  g_instances[key_of(*instance)] = Instance(get, *instance);
  return r;
}

VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance, const VkAllocationCallbacks* alloc) {
  const Instance self = instance_of(instance);
  {
    const std::lock_guard lock(g_mutex);
    g_instances.erase(key_of(instance));
  }
  self.DestroyInstance(instance, alloc);
}

VKAPI_ATTR VkResult VKAPI_CALL enumerate_extensions(VkPhysicalDevice gpu, const char* layer, std::uint32_t* count,
                                                    VkExtensionProperties* properties) {
  const Instance self = instance_of(gpu);
  if (layer != nullptr && std::string_view(layer) == kLayer) {
    *count = 0;
    return VK_SUCCESS;
  }
  const auto names = added(self, gpu);
  if (layer != nullptr || names.empty()) return self.EnumerateDeviceExtensionProperties(gpu, layer, count, properties);
  auto all = real_extensions(self, gpu);
  for (const std::string_view name : names) {
    VkExtensionProperties& one = all.emplace_back();
    name.copy(one.extensionName, sizeof one.extensionName - 1);
    one.specVersion = 1;
  }
  const auto total = static_cast<std::uint32_t>(all.size());
  if (properties == nullptr) {
    *count = total;
    return VK_SUCCESS;
  }
  *count = std::min(*count, total);
  std::copy_n(all.begin(), *count, properties);
  return *count < total ? VK_INCOMPLETE : VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL device_properties(VkPhysicalDevice gpu, VkPhysicalDeviceProperties2* properties) {
  const Instance self = instance_of(gpu);
  self.GetPhysicalDeviceProperties2(gpu, properties);
  auto* drm = find_out<VkPhysicalDeviceDrmPropertiesEXT>(properties->pNext,
                                                         VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRM_PROPERTIES_EXT);
  if (drm == nullptr || node() == nullptr || !software(self, gpu)) return;
  char* end = nullptr;
  drm->hasRender = VK_TRUE;
  drm->renderMajor = std::strtol(node(), &end, 10);
  drm->renderMinor = *end == ':' ? std::strtol(end + 1, nullptr, 10) : 0;
}

VKAPI_ATTR void VKAPI_CALL format_properties(VkPhysicalDevice gpu, VkFormat format, VkFormatProperties2* properties) {
  const Instance self = instance_of(gpu);
  const auto next = self.GetPhysicalDeviceFormatProperties2;
  auto* list = find_out<VkDrmFormatModifierPropertiesListEXT>(
      properties->pNext, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
  auto* list2 = find_out<VkDrmFormatModifierPropertiesList2EXT>(
      properties->pNext, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_2_EXT);
  if ((list == nullptr && list2 == nullptr) || !ours(self, gpu)) return next(gpu, format, properties);
  const std::uint32_t room = list == nullptr ? 0 : list->drmFormatModifierCount;
  const std::uint32_t room2 = list2 == nullptr ? 0 : list2->drmFormatModifierCount;
  next(gpu, format, properties);
  VkFormatProperties2 plain{};
  plain.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2;
  next(gpu, format, &plain);
  const VkFormatFeatureFlags features = plain.formatProperties.linearTilingFeatures;
  // LINEAR first: the program must put the tiled ones in front.
  const std::array<VkDrmFormatModifierPropertiesEXT, 3> rows{
      {{0, 1, features}, {kRefusedModifier, 1, features}, {kTiledModifier, 2, features}}};
  const auto total = static_cast<std::uint32_t>(features == 0 ? 0 : rows.size());
  if (list != nullptr) {
    list->drmFormatModifierCount = list->pDrmFormatModifierProperties == nullptr ? total : std::min(room, total);
    if (list->pDrmFormatModifierProperties != nullptr) {
      std::copy_n(rows.begin(), list->drmFormatModifierCount, list->pDrmFormatModifierProperties);
    }
  }
  if (list2 == nullptr) return;
  list2->drmFormatModifierCount = list2->pDrmFormatModifierProperties == nullptr ? total : std::min(room2, total);
  for (std::uint32_t i = 0; list2->pDrmFormatModifierProperties != nullptr && i < list2->drmFormatModifierCount; ++i) {
    const VkDrmFormatModifierPropertiesEXT& row = rows.at(i);
    list2->pDrmFormatModifierProperties[i] = {row.drmFormatModifier, row.drmFormatModifierPlaneCount,
                                              row.drmFormatModifierTilingFeatures};
  }
}

VKAPI_ATTR VkResult VKAPI_CALL image_format_properties(VkPhysicalDevice gpu,
                                                       const VkPhysicalDeviceImageFormatInfo2* info,
                                                       VkImageFormatProperties2* properties) {
  const Instance self = instance_of(gpu);
  const auto next = self.GetPhysicalDeviceImageFormatProperties2;
  if (info->tiling != VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT || !ours(self, gpu)) return next(gpu, info, properties);
  const auto* modifier = find_in<VkPhysicalDeviceImageDrmFormatModifierInfoEXT>(
      info->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT);
  constexpr std::array kKnown = {std::uint64_t{0}, kTiledModifier, kRefusedModifier};
  if (modifier == nullptr || std::ranges::find(kKnown, modifier->drmFormatModifier) == kKnown.end()) {
    return VK_ERROR_FORMAT_NOT_SUPPORTED;
  }
  VkPhysicalDeviceImageFormatInfo2 linear = *info;
  linear.pNext = nullptr;
  linear.tiling = VK_IMAGE_TILING_LINEAR;
  VkImageFormatProperties2 plain{};
  plain.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2;
  if (const VkResult r = next(gpu, &linear, &plain); r != VK_SUCCESS) return r;
  properties->imageFormatProperties = plain.imageFormatProperties;
  if (auto* external = find_out<VkExternalImageFormatProperties>(properties->pNext,
                                                                 VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES)) {
    external->externalMemoryProperties.externalMemoryFeatures = VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
    external->externalMemoryProperties.compatibleHandleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
  }
  return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice gpu, const VkDeviceCreateInfo* info,
                                             const VkAllocationCallbacks* alloc, VkDevice* device) {
  const Instance self = instance_of(gpu);
  auto* link = next_link<VkLayerDeviceCreateInfo>(info, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
  if (link == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
  const PFN_vkGetDeviceProcAddr get_device = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  std::vector<const char*> enabled(info->ppEnabledExtensionNames,
                                   info->ppEnabledExtensionNames + info->enabledExtensionCount);
  const bool mine = ours(self, gpu);
  const auto names = added(self, gpu);
  std::erase_if(enabled, [&](const char* name) { return std::ranges::find(names, name) != names.end(); });
  VkDeviceCreateInfo changed = *info;
  changed.enabledExtensionCount = static_cast<std::uint32_t>(enabled.size());
  changed.ppEnabledExtensionNames = enabled.data();
  const VkResult r = self.CreateDevice(gpu, &changed, alloc, device);
  if (r != VK_SUCCESS) return r;
  VkPhysicalDeviceMemoryProperties memory{};
  self.GetPhysicalDeviceMemoryProperties(gpu, &memory);
  const std::lock_guard lock(g_mutex);
  g_devices[key_of(*device)] = std::make_shared<TiledImages>(*device, get_device, memory, mine);
  return r;
}

VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device, const VkAllocationCallbacks* alloc) {
  const auto self = device_of(device);
  {
    const std::lock_guard lock(g_mutex);
    g_devices.erase(key_of(device));
  }
  self->fn<PFN_vkDestroyDevice>("vkDestroyDevice")(device, alloc);
}

VKAPI_ATTR VkResult VKAPI_CALL create_image(VkDevice device, const VkImageCreateInfo* info,
                                            const VkAllocationCallbacks* /*alloc*/, VkImage* image) {
  const auto* layout = find_in<VkImageDrmFormatModifierExplicitCreateInfoEXT>(
      info->pNext, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT);
  if (layout != nullptr && refuses(layout->drmFormatModifier != 0)) {
    return VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT;
  }
  return device_of(device)->create(*info, image);
}
VKAPI_ATTR void VKAPI_CALL destroy_image(VkDevice device, VkImage image, const VkAllocationCallbacks* /*alloc*/) {
  device_of(device)->destroy(image);
}
VKAPI_ATTR void VKAPI_CALL image_requirements_1(VkDevice device, VkImage image, VkMemoryRequirements* requirements) {
  const auto self = device_of(device);
  self->fn<PFN_vkGetImageMemoryRequirements>("vkGetImageMemoryRequirements")(device, image, requirements);
  self->correct(image, *requirements);
}
VKAPI_ATTR void VKAPI_CALL image_requirements(VkDevice device, const VkImageMemoryRequirementsInfo2* info,
                                              VkMemoryRequirements2* requirements) {
  const auto self = device_of(device);
  self->fn<PFN_vkGetImageMemoryRequirements2>("vkGetImageMemoryRequirements2")(device, info, requirements);
  self->correct(info->image, requirements->memoryRequirements);
}
VKAPI_ATTR VkResult VKAPI_CALL image_modifier(VkDevice device, VkImage image,
                                              VkImageDrmFormatModifierPropertiesEXT* properties) {
  properties->drmFormatModifier = device_of(device)->modifier(image);
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL allocate_memory(VkDevice device, const VkMemoryAllocateInfo* info,
                                               const VkAllocationCallbacks* /*alloc*/, VkDeviceMemory* memory) {
  const auto* import = find_in<VkImportMemoryFdInfoKHR>(info->pNext, VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR);
  if (import != nullptr && import->handleType == VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT && refuses(false)) {
    return VK_ERROR_INVALID_EXTERNAL_HANDLE;
  }
  return device_of(device)->allocate(*info, import, memory);
}
VKAPI_ATTR void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory memory, const VkAllocationCallbacks* /*alloc*/) {
  device_of(device)->free(memory);
}
VKAPI_ATTR VkResult VKAPI_CALL bind_images(VkDevice device, std::uint32_t count, const VkBindImageMemoryInfo* binds) {
  return device_of(device)->bind({binds, count});
}
VKAPI_ATTR VkResult VKAPI_CALL queue_submit(VkQueue queue, std::uint32_t count, const VkSubmitInfo* submits,
                                            VkFence fence) {
  const auto self = device_of(queue);
  self->refresh();
  ++g_submissions;
  return self->fn<PFN_vkQueueSubmit>("vkQueueSubmit")(queue, count, submits, fence);
}

struct Hook {
  const char* name;
  PFN_vkVoidFunction function;
};
#define ZC_HOOK(name, function) \
  Hook { name, reinterpret_cast<PFN_vkVoidFunction>(function) }

PFN_vkVoidFunction device_hook(const char* name) {
  static const std::array hooks = {
      ZC_HOOK("vkDestroyDevice", destroy_device),
      ZC_HOOK("vkCreateImage", create_image),
      ZC_HOOK("vkDestroyImage", destroy_image),
      ZC_HOOK("vkGetImageMemoryRequirements", image_requirements_1),
      ZC_HOOK("vkGetImageMemoryRequirements2", image_requirements),
      ZC_HOOK("vkGetImageDrmFormatModifierPropertiesEXT", image_modifier),
      ZC_HOOK("vkAllocateMemory", allocate_memory),
      ZC_HOOK("vkFreeMemory", free_memory),
      ZC_HOOK("vkBindImageMemory2", bind_images),
      ZC_HOOK("vkQueueSubmit", queue_submit),
  };
  const auto* const found = std::ranges::find(hooks, std::string_view(name), &Hook::name);
  return found == hooks.end() ? nullptr : found->function;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char* name) {
  if (std::string_view(name) == "vkGetDeviceProcAddr") return reinterpret_cast<PFN_vkVoidFunction>(device_function);
  if (PFN_vkVoidFunction hook = device_hook(name)) return hook;
  return device_of(device)->next(name);
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL instance_function(VkInstance instance, const char* name) {
  static const std::array hooks = {
      ZC_HOOK("vkGetInstanceProcAddr", instance_function),
      ZC_HOOK("vkGetDeviceProcAddr", device_function),
      ZC_HOOK("vkCreateInstance", create_instance),
      ZC_HOOK("vkDestroyInstance", destroy_instance),
      ZC_HOOK("vkEnumerateDeviceExtensionProperties", enumerate_extensions),
      ZC_HOOK("vkGetPhysicalDeviceProperties2", device_properties),
      ZC_HOOK("vkGetPhysicalDeviceFormatProperties2", format_properties),
      ZC_HOOK("vkGetPhysicalDeviceImageFormatProperties2", image_format_properties),
      ZC_HOOK("vkCreateDevice", create_device),
  };
  const auto* const found = std::ranges::find(hooks, std::string_view(name), &Hook::name);
  if (found != hooks.end()) return found->function;
  if (PFN_vkVoidFunction hook = device_hook(name)) return hook;
  return instance == VK_NULL_HANDLE ? nullptr : instance_of(instance).get(instance, name);
}

}  // namespace
}  // namespace zc::test

// Exported by layer.map; VK_LAYER_EXPORT is gone from newer headers.
// NOLINTBEGIN(readability-identifier-naming): the header's name
extern "C" VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface* pVersionStruct) {
  pVersionStruct->loaderLayerInterfaceVersion = std::min(pVersionStruct->loaderLayerInterfaceVersion, 2U);
  pVersionStruct->pfnGetInstanceProcAddr = zc::test::instance_function;
  pVersionStruct->pfnGetDeviceProcAddr = zc::test::device_function;
  pVersionStruct->pfnGetPhysicalDeviceProcAddr = nullptr;
  return VK_SUCCESS;
}
// NOLINTEND(readability-identifier-naming)
