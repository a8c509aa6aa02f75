#include "softgpu/cuda/device_uuid.h"

#include <vulkan/vulkan_core.h>

#include <dlfcn.h>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace zc::softgpu {
namespace {

constexpr DeviceUuid kOwn{'s', 'o', 'f', 't', 'g', 'p', 'u'};

std::optional<DeviceUuid> from_environment() {
  const char* text = std::getenv("SOFTGPU_UUID");
  if (text == nullptr || std::strlen(text) != 2 * kOwn.size()) return std::nullopt;
  DeviceUuid uuid{};
  for (std::uint8_t& byte : uuid) {
    const auto [stop, error] = std::from_chars(text, text + 2, byte, 16);
    if (error != std::errc() || stop != text + 2) return std::nullopt;
    text += 2;
  }
  return uuid;
}

/// The loader stays loaded: unloading it under a program that uses Vulkan too gains nothing.
std::optional<DeviceUuid> from_vulkan() {
  void* const library = ::dlopen("libvulkan.so.1", RTLD_NOW);
  if (library == nullptr) return std::nullopt;
  const auto instance_proc = reinterpret_cast<PFN_vkGetInstanceProcAddr>(::dlsym(library, "vkGetInstanceProcAddr"));
  if (instance_proc == nullptr) return std::nullopt;
  const auto create_instance = reinterpret_cast<PFN_vkCreateInstance>(instance_proc(nullptr, "vkCreateInstance"));

  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.apiVersion = VK_API_VERSION_1_1;
  VkInstanceCreateInfo create{};
  create.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  create.pApplicationInfo = &application;
  VkInstance raw = nullptr;
  if (create_instance(&create, nullptr, &raw) != VK_SUCCESS) return std::nullopt;
  const auto destroy = [&](VkInstance instance) {
    reinterpret_cast<PFN_vkDestroyInstance>(instance_proc(instance, "vkDestroyInstance"))(instance, nullptr);
  };
  const std::unique_ptr<VkInstance_T, decltype(destroy)> instance(raw, destroy);

  const auto enumerate =
      reinterpret_cast<PFN_vkEnumeratePhysicalDevices>(instance_proc(raw, "vkEnumeratePhysicalDevices"));
  const auto properties_of =
      reinterpret_cast<PFN_vkGetPhysicalDeviceProperties2>(instance_proc(raw, "vkGetPhysicalDeviceProperties2"));
  std::uint32_t count = 0;
  enumerate(raw, &count, nullptr);
  std::vector<VkPhysicalDevice> devices(count);
  enumerate(raw, &count, devices.data());
  for (VkPhysicalDevice device : devices) {
    VkPhysicalDeviceIDProperties ids{};
    ids.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
    VkPhysicalDeviceProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
    properties.pNext = &ids;
    properties_of(device, &properties);
    if (properties.properties.deviceType != VK_PHYSICAL_DEVICE_TYPE_CPU) continue;
    DeviceUuid uuid{};
    std::memcpy(uuid.data(), ids.deviceUUID, uuid.size());
    return uuid;
  }
  return std::nullopt;
}

}  // namespace

DeviceUuid find_device_uuid() {
  if (const auto uuid = from_environment()) return *uuid;
  return from_vulkan().value_or(kOwn);
}

}  // namespace zc::softgpu
