#pragma once

#include "base/error.h"
#include "media/geometry.h"
#include "media/pixel_format.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <memory>

namespace zc {

/// A sampled 2D image with memory of its own, in the driver's tiling. Always in VK_IMAGE_LAYOUT_GENERAL once it was
/// written. Move-only.
class VulkanImage {
 public:
  VulkanImage() noexcept = default;

  /// Unsupported: a format images do not come in.
  [[nodiscard]] static Result<VulkanImage> create(std::shared_ptr<VulkanDevice> device, PixelFormat format, Size size);
  VulkanImage(VulkanImage&& other) noexcept { swap(other); }
  VulkanImage& operator=(VulkanImage&& other) noexcept {
    VulkanImage dying(std::move(other));
    swap(dying);
    return *this;
  }
  VulkanImage(const VulkanImage&) = delete;
  VulkanImage& operator=(const VulkanImage&) = delete;
  ~VulkanImage();

  [[nodiscard]] VkImage handle() const noexcept { return image_.get(); }
  [[nodiscard]] VkImageView view() const noexcept { return view_.get(); }
  [[nodiscard]] Size size() const noexcept { return size_; }
  [[nodiscard]] PixelFormat format() const noexcept { return format_; }

 private:
  void swap(VulkanImage& other) noexcept;

  std::shared_ptr<VulkanDevice> device_;
  VkOwned<VkDeviceMemory> memory_;
  VkOwned<VkImage> image_;
  VkOwned<VkImageView> view_;
  PixelFormat format_ = PixelFormat::Unknown;
  Size size_;
};

/// The Vulkan format whose components come out as red, green, blue; VK_FORMAT_UNDEFINED where there is none.
[[nodiscard]] VkFormat vk_format(PixelFormat format);

}  // namespace zc
