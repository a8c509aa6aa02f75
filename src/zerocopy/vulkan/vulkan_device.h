// A Vulkan device to convert pictures on: which one, what it can do, and its one queue.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "gpu/gpu_address.h"
#include "zerocopy/vulkan/vulkan_api.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace zc::vulkan {
class Device;
}

namespace zc {

/// What a device is wanted for. Each needs its extensions; see missing_for().
enum class VulkanUse : std::uint8_t {
  Convert,       ///< the pass itself, on memory of the device's own
  Export,        ///< surfaces that another API reads in place (CUDA, OpenGL), by OPAQUE_FD
  LinearDmabuf,  ///< LINEAR dmabufs as buffers
  TiledDmabuf,   ///< dmabufs of any DRM modifier as images
};
inline constexpr std::size_t kVulkanUses = 4;

using GpuUuid = std::array<std::uint8_t, VK_UUID_SIZE>;

/// One physical device, as its driver describes it. A plain value.
struct VulkanGpu {
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  std::string name;    ///< "NVIDIA H200"
  std::string driver;  ///< "NVIDIA 580.82.07"
  std::uint32_t api_version = 0;
  VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
  GpuUuid uuid{};                      ///< the same in CUDA (cuDeviceGetUuid) and GL (GL_DEVICE_UUID_EXT)
  std::optional<DrmNode> render_node;  ///< where the driver says it (VK_EXT_physical_device_drm)
  std::string pci;                     ///< "0000:01:00.0", where the driver says it (VK_EXT_pci_bus_info)
  std::vector<std::string> extensions;

  [[nodiscard]] bool has(std::string_view extension) const;
  /// By the render node where both have one, else by the place on the PCI bus.
  [[nodiscard]] bool is(const GpuAddress& address) const;
  /// The extensions this use lacks here, separated by commas; empty when it has all.
  [[nodiscard]] std::string missing_for(VulkanUse use) const;
};

/// Which device is wanted. With neither set: the first hardware one that has the use, a software one at last.
struct VulkanChoice {
  std::optional<GpuUuid> uuid = std::nullopt;
  std::optional<GpuAddress> gpu = std::nullopt;
  VulkanUse use = VulkanUse::Convert;
  bool software = true;  ///< a device of type CPU is acceptable
};

/// Index into `gpus`. NotFound: no such device. Unsupported: each device is named with what it lacks.
[[nodiscard]] Result<std::size_t> choose_gpu(std::span<const VulkanGpu> gpus, const VulkanChoice& choice);

/// The process's connection to Vulkan. Nothing is printed by making one. Immutable; any thread.
class VulkanInstance {
 public:
  /// Unsupported where there is no Vulkan, or none of version 1.2.
  [[nodiscard]] static Result<std::shared_ptr<VulkanInstance>> create(const char* library = "libvulkan.so.1");
  /// One that somebody else made and ends, after this.
  [[nodiscard]] static Result<std::shared_ptr<VulkanInstance>> adopt(PFN_vkGetInstanceProcAddr get_proc,
                                                                     VkInstance instance);
  ~VulkanInstance();
  VulkanInstance(const VulkanInstance&) = delete;
  VulkanInstance& operator=(const VulkanInstance&) = delete;

  [[nodiscard]] const VulkanInstanceFunctions& fn() const { return functions_; }
  [[nodiscard]] Result<std::vector<VulkanGpu>> gpus() const;

 private:
  VulkanInstance(VkInstance instance, const VulkanInstanceFunctions& functions, bool own)
      : instance_(instance), own_(own), functions_(functions) {}
  VkInstance instance_;
  bool own_;
  VulkanInstanceFunctions functions_;
};

/// How often what must not happen per frame has happened. Any thread.
struct VulkanCounters {
  std::atomic<std::uint64_t> allocations = 0;  ///< of device memory, imports included
  std::atomic<std::uint64_t> imports = 0;      ///< of foreign memory
  std::atomic<std::uint64_t> exports = 0;      ///< file descriptors handed out
  std::atomic<std::uint64_t> pipelines = 0;
  std::atomic<std::uint64_t> submissions = 0;
  std::atomic<std::uint64_t> uploaded_bytes = 0;  ///< of pictures that the CPU copied for the device
};

/// A logical device with one queue. What is made from it holds it by shared_ptr. The queue belongs to one thread at a
/// time (that of an adopted device to FFmpeg, too); making and destroying buffers is allowed from any.
class VulkanDevice {
 public:
  [[nodiscard]] static Result<std::shared_ptr<VulkanDevice>> create(std::shared_ptr<VulkanInstance> instance,
                                                                    const VulkanGpu& gpu);
  /// The chosen device of a new instance.
  [[nodiscard]] static Result<std::shared_ptr<VulkanDevice>> open(const VulkanChoice& choice);
  /// FFmpeg's own device, which lives as long as this; gpu().extensions are those that it has enabled.
  [[nodiscard]] static Result<std::shared_ptr<VulkanDevice>> adopt(std::shared_ptr<const vulkan::Device> device);
  ~VulkanDevice();
  VulkanDevice(const VulkanDevice&) = delete;
  VulkanDevice& operator=(const VulkanDevice&) = delete;

  [[nodiscard]] VkDevice handle() const { return device_; }
  [[nodiscard]] const VulkanDeviceFunctions& fn() const { return functions_; }
  /// Puts functions of the caller's in between, for tests. Nothing may have been made on the device yet.
  void replace_functions(const VulkanDeviceFunctions& functions) { functions_ = functions; }
  [[nodiscard]] const VulkanInstanceFunctions& instance_fn() const { return instance_->fn(); }
  [[nodiscard]] const VulkanGpu& gpu() const { return gpu_; }
  [[nodiscard]] VkQueue queue() const { return queue_; }
  /// The queue has VK_QUEUE_GLOBAL_PRIORITY_REALTIME_KHR: it was asked for and granted.
  [[nodiscard]] bool realtime() const { return realtime_; }
  /// FFmpeg's device that this was made of; null: its own.
  [[nodiscard]] const std::shared_ptr<const vulkan::Device>& adopted() const { return adopted_; }
  /// vkQueueSubmit() to queue(), which an adopted device shares with FFmpeg.
  [[nodiscard]] VkResult submit(const VkSubmitInfo& info, VkFence fence);
  [[nodiscard]] std::uint32_t queue_family() const { return queue_family_; }
  [[nodiscard]] const VkPhysicalDeviceLimits& limits() const { return limits_; }
  [[nodiscard]] const VkPhysicalDeviceMemoryProperties& memory() const { return memory_; }
  /// The owner to acquire foreign memory from: VK_QUEUE_FAMILY_FOREIGN_EXT, or EXTERNAL where that is missing.
  [[nodiscard]] std::uint32_t foreign_family() const { return foreign_family_; }
  [[nodiscard]] VulkanCounters& counters() { return counters_; }
  /// Never given twice: tells a buffer or image from a later one that the driver gives the same handle. Not 0.
  [[nodiscard]] std::uint64_t next_id() { return last_id_.fetch_add(1, std::memory_order_relaxed) + 1; }
  /// A frame that takes longer than this has hung the GPU, or it is given to somebody else. A software renderer
  /// compiles when it first runs, on processors that others want too.
  [[nodiscard]] Nanoseconds patience() const {
    return gpu_.type == VK_PHYSICAL_DEVICE_TYPE_CPU ? std::chrono::seconds(120) : std::chrono::seconds(1);
  }

  /// Index of a memory type among `allowed` (bits) with all of `flags`; nullopt when there is none.
  [[nodiscard]] std::optional<std::uint32_t> memory_type(std::uint32_t allowed, VkMemoryPropertyFlags flags) const;

  /// Work on this device has not ended within its bound: its memory may still be written, so nothing it uses may be
  /// freed any more and the device is given up as it is.
  void abandon() { abandoned_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool abandoned() const { return abandoned_.load(std::memory_order_relaxed); }

 private:
  VulkanDevice(std::shared_ptr<VulkanInstance> instance, VulkanGpu gpu);

  [[nodiscard]] Result<void> look(std::uint32_t family, std::uint32_t queue);

  std::shared_ptr<const vulkan::Device> adopted_;  ///< dies last
  std::shared_ptr<VulkanInstance> instance_;
  VulkanGpu gpu_;
  VkDevice device_ = VK_NULL_HANDLE;
  VulkanDeviceFunctions functions_;
  VkQueue queue_ = VK_NULL_HANDLE;
  bool realtime_ = false;
  std::uint32_t queue_family_ = 0;
  std::uint32_t foreign_family_ = VK_QUEUE_FAMILY_EXTERNAL;
  VkPhysicalDeviceLimits limits_{};
  VkPhysicalDeviceMemoryProperties memory_{};
  VulkanCounters counters_;
  std::atomic<bool> abandoned_ = false;
  std::atomic<std::uint64_t> last_id_ = 0;
};

}  // namespace zc
