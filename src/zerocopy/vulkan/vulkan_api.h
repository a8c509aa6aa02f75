// The Vulkan functions in use, found at run time: the program starts on a machine without Vulkan.
#pragma once

#include "base/error.h"

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan_core.h>

#include <string>
#include <utility>

namespace zc {

// Names without their "vk".
#define ZC_VK_GLOBAL_FUNCTIONS(X) \
  X(EnumerateInstanceVersion)     \
  X(CreateInstance)

#define ZC_VK_INSTANCE_FUNCTIONS(X)            \
  X(DestroyInstance)                           \
  X(EnumeratePhysicalDevices)                  \
  X(EnumerateDeviceExtensionProperties)        \
  X(GetPhysicalDeviceProperties2)              \
  X(GetPhysicalDeviceFeatures2)                \
  X(GetPhysicalDeviceFormatProperties2)        \
  X(GetPhysicalDeviceImageFormatProperties2)   \
  X(GetPhysicalDeviceMemoryProperties)         \
  X(GetPhysicalDeviceQueueFamilyProperties)    \
  X(GetPhysicalDeviceExternalBufferProperties) \
  X(CreateDevice)                              \
  X(GetDeviceProcAddr)

#define ZC_VK_DEVICE_FUNCTIONS(X) \
  X(DeviceWaitIdle)               \
  X(GetDeviceQueue)               \
  X(QueueSubmit)                  \
  X(CreateBuffer)                 \
  X(DestroyBuffer)                \
  X(GetBufferMemoryRequirements2) \
  X(BindBufferMemory)             \
  X(CreateImage)                  \
  X(DestroyImage)                 \
  X(GetImageMemoryRequirements)   \
  X(GetImageMemoryRequirements2)  \
  X(BindImageMemory)              \
  X(BindImageMemory2)             \
  X(CreateImageView)              \
  X(DestroyImageView)             \
  X(CreateSampler)                \
  X(DestroySampler)               \
  X(AllocateMemory)               \
  X(FreeMemory)                   \
  X(MapMemory)                    \
  X(InvalidateMappedMemoryRanges) \
  X(CreateShaderModule)           \
  X(DestroyShaderModule)          \
  X(CreateDescriptorSetLayout)    \
  X(DestroyDescriptorSetLayout)   \
  X(CreateDescriptorPool)         \
  X(DestroyDescriptorPool)        \
  X(AllocateDescriptorSets)       \
  X(UpdateDescriptorSets)         \
  X(CreatePipelineLayout)         \
  X(DestroyPipelineLayout)        \
  X(CreateComputePipelines)       \
  X(DestroyPipeline)              \
  X(CreateCommandPool)            \
  X(DestroyCommandPool)           \
  X(AllocateCommandBuffers)       \
  X(BeginCommandBuffer)           \
  X(EndCommandBuffer)             \
  X(CmdBindPipeline)              \
  X(CmdBindDescriptorSets)        \
  X(CmdPushConstants)             \
  X(CmdDispatch)                  \
  X(CmdPipelineBarrier)           \
  X(CmdCopyBuffer)                \
  X(CmdCopyBufferToImage)         \
  X(CreateFence)                  \
  X(DestroyFence)                 \
  X(ResetFences)                  \
  X(WaitForFences)                \
  X(GetFenceStatus)               \
  X(CreateSemaphore)              \
  X(DestroySemaphore)             \
  X(SignalSemaphore)

/// Null where the device lacks VK_KHR_external_memory_fd.
#define ZC_VK_OPTIONAL_DEVICE_FUNCTIONS(X) \
  X(GetMemoryFdKHR)                        \
  X(GetMemoryFdPropertiesKHR)

#define ZC_VK_MEMBER(name) PFN_vk##name name = nullptr;
struct VulkanGlobalFunctions {
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
  ZC_VK_GLOBAL_FUNCTIONS(ZC_VK_MEMBER)
};
struct VulkanInstanceFunctions {
  ZC_VK_INSTANCE_FUNCTIONS(ZC_VK_MEMBER)
};
struct VulkanDeviceFunctions {
  ZC_VK_DEVICE_FUNCTIONS(ZC_VK_MEMBER)
  ZC_VK_OPTIONAL_DEVICE_FUNCTIONS(ZC_VK_MEMBER)
};
#undef ZC_VK_MEMBER

/// libvulkan.so.1. Stays loaded until the process ends: drivers leave threads and exit handlers behind.
/// Unsupported, with the dynamic linker's words, where it is missing.
[[nodiscard]] Result<VulkanGlobalFunctions> load_vulkan(const char* library = "libvulkan.so.1");
/// Internal names the function that is missing.
[[nodiscard]] Result<VulkanInstanceFunctions> load_instance_functions(const VulkanGlobalFunctions& global,
                                                                      VkInstance instance);
[[nodiscard]] Result<VulkanDeviceFunctions> load_device_functions(const VulkanInstanceFunctions& instance,
                                                                  VkDevice device);

/// "VK_ERROR_DEVICE_LOST"; "VkResult -99" for one this version does not know.
[[nodiscard]] std::string vk_result_name(VkResult result);
/// A result other than success as an error: lost devices are Lost, missing abilities Unsupported, VK_TIMEOUT Timeout.
[[nodiscard]] std::unexpected<Error> fail_vk(VkResult result, std::string operation);

/// A handle made by a device, destroyed with it. The device outlives it.
template <class Handle>
class VkOwned {
 public:
  using Destroy = void(VKAPI_PTR*)(VkDevice, Handle, const VkAllocationCallbacks*);

  VkOwned() noexcept = default;
  VkOwned(VkDevice device, Handle handle, Destroy destroy) noexcept
      : device_(device), handle_(handle), destroy_(destroy) {}
  VkOwned(VkOwned&& other) noexcept { swap(other); }
  VkOwned& operator=(VkOwned&& other) noexcept {
    VkOwned dying(std::move(other));
    swap(dying);
    return *this;
  }
  VkOwned(const VkOwned&) = delete;
  VkOwned& operator=(const VkOwned&) = delete;
  ~VkOwned() {
    if (handle_ != VK_NULL_HANDLE) destroy_(device_, handle_, nullptr);
  }
  [[nodiscard]] Handle get() const noexcept { return handle_; }
  /// Leaves the handle alive for good: the device still works with it.
  void leak() noexcept { handle_ = VK_NULL_HANDLE; }

 private:
  void swap(VkOwned& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(handle_, other.handle_);
    std::swap(destroy_, other.destroy_);
  }

  VkDevice device_ = VK_NULL_HANDLE;
  Handle handle_ = VK_NULL_HANDLE;
  Destroy destroy_ = nullptr;
};

}  // namespace zc
