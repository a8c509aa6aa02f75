#include "zerocopy/vulkan/vulkan_device.h"

#include "gpu/vulkan/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace zc {
namespace {

/// What each use needs beside Vulkan 1.2.
struct UseRow {
  VulkanUse use;
  std::array<const char*, 3> extensions;
};
constexpr std::array<UseRow, kVulkanUses> kUses = {{
    {VulkanUse::Convert, {}},
    {VulkanUse::Export, {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME}},
    {VulkanUse::LinearDmabuf,
     {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME}},
    {VulkanUse::TiledDmabuf,
     {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
      VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME}},
}};

/// Enabled where present; nothing depends on it.
constexpr std::array kOptional = {VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME, VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME};

constexpr std::uint32_t kVersion = VK_API_VERSION_1_2;

std::vector<std::string> extensions_of(const VulkanInstanceFunctions& fn, VkPhysicalDevice gpu) {
  std::uint32_t count = 0;
  if (fn.EnumerateDeviceExtensionProperties(gpu, nullptr, &count, nullptr) != VK_SUCCESS) return {};
  std::vector<VkExtensionProperties> properties(count);
  if (fn.EnumerateDeviceExtensionProperties(gpu, nullptr, &count, properties.data()) < VK_SUCCESS) return {};
  std::vector<std::string> names;
  names.reserve(properties.size());
  for (const VkExtensionProperties& p : properties) names.emplace_back(p.extensionName);
  return names;
}

VulkanGpu describe(const VulkanInstanceFunctions& fn, VkPhysicalDevice handle) {
  VulkanGpu gpu;
  gpu.handle = handle;
  gpu.extensions = extensions_of(fn, handle);
  VkPhysicalDeviceDrmPropertiesEXT drm{};
  drm.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRM_PROPERTIES_EXT;
  VkPhysicalDevicePCIBusInfoPropertiesEXT pci{};
  pci.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT;
  VkPhysicalDeviceDriverProperties driver{};
  driver.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES;
  VkPhysicalDeviceIDProperties id{};
  id.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
  VkPhysicalDeviceProperties2 properties{};
  properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
  const bool has_drm = gpu.has(VK_EXT_PHYSICAL_DEVICE_DRM_EXTENSION_NAME);
  const bool has_pci = gpu.has(VK_EXT_PCI_BUS_INFO_EXTENSION_NAME);
  properties.pNext = &id;
  id.pNext = &driver;
  if (has_drm) driver.pNext = &drm;
  if (has_pci) pci.pNext = std::exchange(driver.pNext, &pci);
  fn.GetPhysicalDeviceProperties2(handle, &properties);
  gpu.name = properties.properties.deviceName;
  gpu.driver = fmt::format("{} {}", driver.driverName, driver.driverInfo);
  gpu.api_version = properties.properties.apiVersion;
  gpu.type = properties.properties.deviceType;
  std::ranges::copy(id.deviceUUID, gpu.uuid.begin());
  if (has_drm && drm.hasRender == VK_TRUE) gpu.render_node = DrmNode{drm.renderMajor, drm.renderMinor};
  if (has_pci) {
    gpu.pci = fmt::format("{:04x}:{:02x}:{:02x}.{:x}", pci.pciDomain, pci.pciBus, pci.pciDevice, pci.pciFunction);
  }
  return gpu;
}

/// Why `gpu` cannot be the chosen one; empty when it can.
std::string refusal(const VulkanGpu& gpu, const VulkanChoice& choice) {
  if (gpu.api_version < kVersion) return "its Vulkan is older than 1.2";
  if (gpu.type == VK_PHYSICAL_DEVICE_TYPE_CPU && !choice.software) return "it is a software renderer";
  const std::string missing = gpu.missing_for(choice.use);
  return missing.empty() ? std::string{} : "it has no " + missing;
}

/// The first queue family that runs compute, one without graphics if there is any: it does not queue behind a game.
std::optional<std::uint32_t> compute_family(const VulkanInstanceFunctions& fn, VkPhysicalDevice gpu) {
  std::uint32_t count = 0;
  fn.GetPhysicalDeviceQueueFamilyProperties(gpu, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  fn.GetPhysicalDeviceQueueFamilyProperties(gpu, &count, families.data());
  std::optional<std::uint32_t> found;
  for (std::uint32_t i = 0; i < count; ++i) {
    const VkQueueFlags flags = families[i].queueFlags;
    if ((flags & VK_QUEUE_COMPUTE_BIT) == 0) continue;
    if ((flags & VK_QUEUE_GRAPHICS_BIT) == 0) return i;
    if (!found) found = i;
  }
  return found;
}

}  // namespace

bool VulkanGpu::has(std::string_view extension) const {
  return std::ranges::find(extensions, extension) != extensions.end();
}

bool VulkanGpu::is(const GpuAddress& address) const {
  if (render_node && address.number) return render_node == address.number;
  return !pci.empty() && pci == address.pci;
}

std::string VulkanGpu::missing_for(VulkanUse use) const {
  std::string missing;
  for (const char* extension : kUses.at(static_cast<std::size_t>(use)).extensions) {
    if (extension == nullptr || has(extension)) continue;
    missing += (missing.empty() ? "" : ", ") + std::string(extension);
  }
  return missing;
}

Result<std::size_t> choose_gpu(std::span<const VulkanGpu> gpus, const VulkanChoice& choice) {
  if (gpus.empty()) return fail(ErrorKind::Unsupported, "choose a Vulkan device", "there is none");
  std::string reasons;
  std::optional<std::size_t> software;
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    const VulkanGpu& gpu = gpus[i];
    const bool named = choice.uuid || choice.gpu;
    if (choice.uuid && gpu.uuid != *choice.uuid) continue;
    if (choice.gpu && !gpu.is(*choice.gpu)) continue;
    const std::string why_not = refusal(gpu, choice);
    if (why_not.empty()) {
      if (named || gpu.type != VK_PHYSICAL_DEVICE_TYPE_CPU) return i;
      if (!software) software = i;
      continue;
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", gpu.name, why_not);
  }
  if (software) return *software;
  if (!reasons.empty()) return fail(ErrorKind::Unsupported, "choose a Vulkan device", reasons);
  std::string names;
  for (const VulkanGpu& gpu : gpus) names += (names.empty() ? "" : ", ") + gpu.name;
  return fail(ErrorKind::NotFound, "choose a Vulkan device", "none of " + names + " is the wanted one");
}

Result<std::shared_ptr<VulkanInstance>> VulkanInstance::create(const char* library) {
  const auto global = load_vulkan(library);
  if (!global) return std::unexpected(global.error());
  std::uint32_t version = VK_API_VERSION_1_0;
  if (global->EnumerateInstanceVersion(&version) != VK_SUCCESS || version < kVersion) {
    return fail(ErrorKind::Unsupported, "start Vulkan", "its loader is older than 1.2");
  }
  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.pApplicationName = "zerocast";
  application.apiVersion = kVersion;
  VkInstanceCreateInfo create{};
  create.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  create.pApplicationInfo = &application;
  VkInstance handle = VK_NULL_HANDLE;
  if (const VkResult r = global->CreateInstance(&create, nullptr, &handle); r != VK_SUCCESS) {
    return fail_vk(r, "start Vulkan");
  }
  const auto functions = load_instance_functions(*global, handle);
  if (!functions) return std::unexpected(functions.error());
  return std::shared_ptr<VulkanInstance>(new VulkanInstance(handle, *functions, true));
}

Result<std::shared_ptr<VulkanInstance>> VulkanInstance::adopt(PFN_vkGetInstanceProcAddr get_proc, VkInstance instance) {
  VulkanGlobalFunctions global;
  global.GetInstanceProcAddr = get_proc;
  const auto functions = load_instance_functions(global, instance);
  if (!functions) return std::unexpected(functions.error());
  return std::shared_ptr<VulkanInstance>(new VulkanInstance(instance, *functions, false));
}

VulkanInstance::~VulkanInstance() {
  if (own_) functions_.DestroyInstance(instance_, nullptr);
}

Result<std::vector<VulkanGpu>> VulkanInstance::gpus() const {
  std::uint32_t count = 0;
  VkResult r = functions_.EnumeratePhysicalDevices(instance_, &count, nullptr);
  std::vector<VkPhysicalDevice> handles(count);
  if (r == VK_SUCCESS) r = functions_.EnumeratePhysicalDevices(instance_, &count, handles.data());
  if (r < VK_SUCCESS) return fail_vk(r, "list the Vulkan devices");
  handles.resize(count);
  std::vector<VulkanGpu> gpus;
  gpus.reserve(count);
  for (VkPhysicalDevice handle : handles) gpus.push_back(describe(functions_, handle));
  return gpus;
}

VulkanDevice::VulkanDevice(std::shared_ptr<VulkanInstance> instance, VulkanGpu gpu)
    : instance_(std::move(instance)), gpu_(std::move(gpu)) {}

Result<std::shared_ptr<VulkanDevice>> VulkanDevice::open(const VulkanChoice& choice) {
  auto instance = VulkanInstance::create();
  if (!instance) return std::unexpected(std::move(instance.error()));
  const auto gpus = (*instance)->gpus();
  if (!gpus) return std::unexpected(gpus.error());
  const auto chosen = choose_gpu(*gpus, choice);
  if (!chosen) return std::unexpected(chosen.error());
  return create(std::move(*instance), gpus->at(*chosen));
}

Result<std::shared_ptr<VulkanDevice>> VulkanDevice::create(std::shared_ptr<VulkanInstance> instance,
                                                           const VulkanGpu& gpu) {
  std::shared_ptr<VulkanDevice> self(new VulkanDevice(std::move(instance), gpu));
  const VulkanInstanceFunctions& fn = self->instance_->fn();
  const auto family = compute_family(fn, gpu.handle);
  if (!family) return fail(ErrorKind::Unsupported, "open " + gpu.name, "it has no compute queue");

  std::vector<const char*> enabled;
  const auto enable = [&](const char* extension) {
    if (extension != nullptr && gpu.has(extension) && std::ranges::find(enabled, extension) == enabled.end()) {
      enabled.push_back(extension);
    }
  };
  for (const UseRow& row : kUses) std::ranges::for_each(row.extensions, enable);
  std::ranges::for_each(kOptional, enable);

  const float priority = 1;
  VkDeviceQueueCreateInfo queue{};
  queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
  queue.queueFamilyIndex = *family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkPhysicalDeviceVulkan12Features features12{};
  features12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
  features12.timelineSemaphore = VK_TRUE;  // every 1.2 device has it
  VkDeviceCreateInfo create{};
  create.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  create.pNext = &features12;
  create.queueCreateInfoCount = 1;
  create.pQueueCreateInfos = &queue;
  create.enabledExtensionCount = static_cast<std::uint32_t>(enabled.size());
  create.ppEnabledExtensionNames = enabled.data();
  // A pass is short, and a game keeps the GPU busy: it goes between the game's time slices where that is allowed
  // (NVIDIA and AMD want CAP_SYS_NICE for it).
  VkDeviceQueueGlobalPriorityCreateInfoKHR realtime{};
  realtime.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_GLOBAL_PRIORITY_CREATE_INFO_KHR;
  realtime.globalPriority = VK_QUEUE_GLOBAL_PRIORITY_REALTIME_KHR;
  self->realtime_ = gpu.has(VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME);
  if (self->realtime_) queue.pNext = &realtime;
  VkResult r = fn.CreateDevice(gpu.handle, &create, nullptr, &self->device_);
  if (r != VK_SUCCESS && self->realtime_) {
    self->realtime_ = false;
    queue.pNext = nullptr;
    r = fn.CreateDevice(gpu.handle, &create, nullptr, &self->device_);
  }
  if (r != VK_SUCCESS) return fail_vk(r, "open " + gpu.name);
  if (auto looked = self->look(*family, 0); !looked) return std::unexpected(std::move(looked.error()));
  return self;
}

Result<std::shared_ptr<VulkanDevice>> VulkanDevice::adopt(std::shared_ptr<const vulkan::Device> device) {
  const vulkan::Handles& handles = device->handles();
  auto instance = VulkanInstance::adopt(handles.get_instance_proc, handles.instance);
  if (!instance) return std::unexpected(std::move(instance.error()));
  VulkanGpu gpu = describe((*instance)->fn(), handles.gpu);
  if (gpu.api_version < kVersion)
    return fail(ErrorKind::Unsupported, "share " + gpu.name, "its Vulkan is older than 1.2");
  gpu.extensions = handles.extensions;
  std::shared_ptr<VulkanDevice> self(new VulkanDevice(std::move(*instance), std::move(gpu)));
  self->device_ = handles.device;
  self->adopted_ = std::move(device);
  if (auto looked = self->look(handles.compute_family, handles.compute_queue); !looked) {
    return std::unexpected(std::move(looked.error()));
  }
  return self;
}

Result<void> VulkanDevice::look(std::uint32_t family, std::uint32_t queue) {
  const VulkanInstanceFunctions& fn = instance_->fn();
  if (gpu_.has(VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME)) foreign_family_ = VK_QUEUE_FAMILY_FOREIGN_EXT;
  auto functions = load_device_functions(fn, device_);
  if (!functions) return std::unexpected(std::move(functions.error()));
  functions_ = *functions;
  queue_family_ = family;
  functions_.GetDeviceQueue(device_, family, queue, &queue_);
  fn.GetPhysicalDeviceMemoryProperties(gpu_.handle, &memory_);
  VkPhysicalDeviceProperties2 properties{};
  properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
  fn.GetPhysicalDeviceProperties2(gpu_.handle, &properties);
  limits_ = properties.properties.limits;
  return {};
}

VkResult VulkanDevice::submit(const VkSubmitInfo& info, VkFence fence) {
  if (adopted_) adopted_->lock_queue();
  const VkResult result = functions_.QueueSubmit(queue_, 1, &info, fence);
  if (adopted_) adopted_->unlock_queue();
  return result;
}

VulkanDevice::~VulkanDevice() {
  if (device_ == VK_NULL_HANDLE || adopted_) return;
  // Not from functions_: loading them may be what failed.
  const auto destroy =
      reinterpret_cast<PFN_vkDestroyDevice>(instance_->fn().GetDeviceProcAddr(device_, "vkDestroyDevice"));
  if (destroy != nullptr) destroy(device_, nullptr);
}

std::optional<std::uint32_t> VulkanDevice::memory_type(std::uint32_t allowed, VkMemoryPropertyFlags flags) const {
  for (std::uint32_t i = 0; i < memory_.memoryTypeCount; ++i) {
    if ((allowed >> i & 1U) != 0 && (memory_.memoryTypes[i].propertyFlags & flags) == flags) return i;
  }
  return std::nullopt;
}

}  // namespace zc
