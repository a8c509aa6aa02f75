#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "media/picture_device.h"

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan_core.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace zc::vulkan {

/// What somebody else who works on the device needs to know. Valid as long as the Device.
struct Handles {
  PFN_vkGetInstanceProcAddr get_instance_proc = nullptr;
  VkInstance instance = VK_NULL_HANDLE;
  VkPhysicalDevice gpu = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  std::vector<std::string> extensions;  ///< that are enabled
  std::uint32_t compute_family = 0;     ///< one of those that FFmpeg shares its images between
  std::uint32_t compute_queue = 0;      ///< index within the family
};

/// A Vulkan device that libavutil opened, with the queues, features and extensions that its encoders want: images that
/// are made here and those that FFmpeg and its encoders make mean the same.
class Device final : public PictureDevice {
 public:
  /// `gpu`: place in the driver's list (vkEnumeratePhysicalDevices). Unsupported: there is none, or FFmpeg's reason.
  [[nodiscard]] static Result<std::shared_ptr<const Device>> open(std::size_t gpu);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() override;

  [[nodiscard]] MemoryKind memory() const override { return MemoryKind::Vulkan; }
  /// "NAME UUID driver 0x..."
  [[nodiscard]] std::string identity() const { return identity_; }
  /// A reference to the one AVHWDeviceContext.
  [[nodiscard]] Result<AvBufferPtr> av_device() const override;

  [[nodiscard]] const Handles& handles() const { return handles_; }
  /// FFmpeg has encoders for it (from 7.1 on) and the driver a queue to run them on.
  [[nodiscard]] bool encodes() const { return encodes_; }

  /// FFmpeg's lock of compute_queue: nobody else submits to it in between. FFmpeg before 6.1 has none; there only one
  /// thread may make FFmpeg work on the device, the same as does so itself.
  void lock_queue() const;
  void unlock_queue() const;

 private:
  explicit Device(AvBufferPtr device);
  [[nodiscard]] Result<void> look();

  AvBufferPtr device_;  ///< AVHWDeviceContext; owns the Vulkan device and its instance
  Handles handles_;
  std::string identity_;
  bool encodes_ = false;
};

}  // namespace zc::vulkan
