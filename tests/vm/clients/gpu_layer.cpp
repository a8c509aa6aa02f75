// A stand-in, for the guest of tools/vm-test only: a Vulkan layer that lets lavapipe pass for what the guest has none
// of.
//   ZEROCAST_VM_GPU=integrated   it says that it is an integrated GPU, so that routes that refuse software take it
//   ZEROCAST_VM_HIDE=EXTENSION   it does not list this device extension
// It proves nothing about a GPU: pixels, imports and synchronisation are lavapipe's.
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

// A layer's functions have no other place for what comes after them; one instance at a time is enough for a recording.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables)
PFN_vkGetInstanceProcAddr g_next = nullptr;
PFN_vkGetPhysicalDeviceProperties g_properties = nullptr;
PFN_vkGetPhysicalDeviceProperties2 g_properties2 = nullptr;
PFN_vkEnumerateDeviceExtensionProperties g_extensions = nullptr;
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

void disguise(VkPhysicalDeviceProperties& properties) {
  const char* wanted = std::getenv("ZEROCAST_VM_GPU");
  if (wanted != nullptr && std::string_view(wanted) == "integrated" &&
      properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU) {
    properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
  }
}

VKAPI_ATTR void VKAPI_CALL properties(VkPhysicalDevice device, VkPhysicalDeviceProperties* out) {
  g_properties(device, out);
  disguise(*out);
}

VKAPI_ATTR void VKAPI_CALL properties2(VkPhysicalDevice device, VkPhysicalDeviceProperties2* out) {
  g_properties2(device, out);
  disguise(out->properties);
}

VKAPI_ATTR VkResult VKAPI_CALL extensions(VkPhysicalDevice device, const char* layer, std::uint32_t* count,
                                          VkExtensionProperties* out) {
  const char* hidden = std::getenv("ZEROCAST_VM_HIDE");
  if (hidden == nullptr || layer != nullptr) return g_extensions(device, layer, count, out);
  std::uint32_t all = 0;
  if (const VkResult result = g_extensions(device, nullptr, &all, nullptr); result != VK_SUCCESS) return result;
  std::vector<VkExtensionProperties> listed(all);
  if (const VkResult result = g_extensions(device, nullptr, &all, listed.data()); result != VK_SUCCESS) return result;
  std::erase_if(listed, [&](const VkExtensionProperties& e) { return std::string_view(e.extensionName) == hidden; });
  const auto size = static_cast<std::uint32_t>(listed.size());
  if (out == nullptr) {
    *count = size;
    return VK_SUCCESS;
  }
  const bool short_of_room = *count < size;
  *count = std::min(*count, size);
  std::copy_n(listed.begin(), *count, out);
  return short_of_room ? VK_INCOMPLETE : VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL create(const VkInstanceCreateInfo* info, const VkAllocationCallbacks* allocator,
                                      VkInstance* instance) {
  auto* link = static_cast<const VkLayerInstanceCreateInfo*>(info->pNext);
  while (link != nullptr &&
         (link->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO || link->function != VK_LAYER_LINK_INFO)) {
    link = static_cast<const VkLayerInstanceCreateInfo*>(link->pNext);
  }
  if (link == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
  const PFN_vkGetInstanceProcAddr next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  // The loader's chain is ours to advance (Vulkan-Loader, LoaderLayerInterface.md).
  auto* mine = const_cast<VkLayerInstanceCreateInfo*>(link);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  mine->u.pLayerInfo = link->u.pLayerInfo->pNext;
  const auto make = reinterpret_cast<PFN_vkCreateInstance>(next(nullptr, "vkCreateInstance"));
  const VkResult result = make(info, allocator, instance);
  if (result != VK_SUCCESS) return result;
  g_next = next;
  g_extensions = reinterpret_cast<PFN_vkEnumerateDeviceExtensionProperties>(
      next(*instance, "vkEnumerateDeviceExtensionProperties"));
  g_properties = reinterpret_cast<PFN_vkGetPhysicalDeviceProperties>(next(*instance, "vkGetPhysicalDeviceProperties"));
  g_properties2 =
      reinterpret_cast<PFN_vkGetPhysicalDeviceProperties2>(next(*instance, "vkGetPhysicalDeviceProperties2"));
  if (g_properties2 == nullptr) {
    g_properties2 =
        reinterpret_cast<PFN_vkGetPhysicalDeviceProperties2>(next(*instance, "vkGetPhysicalDeviceProperties2KHR"));
  }
  return result;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc(VkInstance instance, const char* name) {
  const std::string_view wanted = name;
  if (wanted == "vkCreateInstance") return reinterpret_cast<PFN_vkVoidFunction>(create);
  if (wanted == "vkGetInstanceProcAddr") return reinterpret_cast<PFN_vkVoidFunction>(get_instance_proc);
  if (wanted == "vkGetPhysicalDeviceProperties") return reinterpret_cast<PFN_vkVoidFunction>(properties);
  if (wanted == "vkGetPhysicalDeviceProperties2" || wanted == "vkGetPhysicalDeviceProperties2KHR") {
    return reinterpret_cast<PFN_vkVoidFunction>(properties2);
  }
  if (wanted == "vkEnumerateDeviceExtensionProperties" && instance != nullptr) {
    return reinterpret_cast<PFN_vkVoidFunction>(extensions);
  }
  return g_next == nullptr ? nullptr : g_next(instance, name);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface* negotiation) {
  negotiation->loaderLayerInterfaceVersion = 2;
  negotiation->pfnGetInstanceProcAddr = get_instance_proc;
  negotiation->pfnGetDeviceProcAddr = nullptr;
  negotiation->pfnGetPhysicalDeviceProcAddr = nullptr;
  return VK_SUCCESS;
}
