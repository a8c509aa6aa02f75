#pragma once

#include "base/error.h"
#include "media/dmabuf.h"
#include "media/geometry.h"
#include "media/pixel_format.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <array>
#include <memory>

namespace zc {

/// What a dmabuf is imported as.
struct ImageUse {
  VkFormat format = VK_FORMAT_UNDEFINED;
  VkImageUsageFlagBits usage = VK_IMAGE_USAGE_SAMPLED_BIT;  ///< or VK_IMAGE_USAGE_TRANSFER_DST_BIT, to copy to it
};

/// A 2D image, sampled or, as a surface's plane, written to. Always in VK_IMAGE_LAYOUT_GENERAL once it was written.
/// Move-only. May die on any thread, after the last work that uses it.
class VulkanImage {
 public:
  VulkanImage() noexcept = default;

  /// Memory of its own, in the driver's tiling. Unsupported: a format images do not come in.
  [[nodiscard]] static Result<VulkanImage> create(std::shared_ptr<VulkanDevice> device, PixelFormat format, Size size);
  /// A valid dmabuf (Dmabuf::validate()) of any DRM modifier the driver samples, metadata planes included
  /// (VK_EXT_image_drm_format_modifier). Its descriptors are duplicated. Unsupported: the driver refuses it.
  [[nodiscard]] static Result<VulkanImage> import_dmabuf(std::shared_ptr<VulkanDevice> device, const Dmabuf& dmabuf);
  /// One plane of a YCbCr surface, as an image to copy to; without a view. `dmabuf` has the plane's own size.
  [[nodiscard]] static Result<VulkanImage> import_plane(std::shared_ptr<VulkanDevice> device, const Dmabuf& dmabuf,
                                                        VkFormat format);
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
  /// See VulkanDevice::next_id().
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] Size size() const noexcept { return size_; }
  [[nodiscard]] PixelFormat format() const noexcept { return format_; }
  /// True for memory that another API or process reads or writes: needs ownership transfers.
  [[nodiscard]] bool foreign() const noexcept { return foreign_; }

 private:
  void swap(VulkanImage& other) noexcept;
  [[nodiscard]] static Result<VulkanImage> import_as(std::shared_ptr<VulkanDevice> device, const Dmabuf& dmabuf,
                                                     const ImageUse& use);
  [[nodiscard]] Result<void> make_view();
  [[nodiscard]] Result<void> import_memory(const Dmabuf& dmabuf, bool disjoint);

  std::shared_ptr<VulkanDevice> device_;
  std::array<VkOwned<VkDeviceMemory>, Dmabuf::kMaxPlanes> memories_;  ///< one, unless the planes are disjoint
  VkOwned<VkImage> image_;
  VkOwned<VkImageView> view_;
  std::uint64_t id_ = 0;
  PixelFormat format_ = PixelFormat::Unknown;
  Size size_;
  bool foreign_ = false;
};

/// True when the planes lie in more than one buffer: descriptors of one dmabuf, however often duplicated, name one
/// inode. fstat(2)'s errors.
[[nodiscard]] Result<bool> in_several_buffers(const Dmabuf& dmabuf);

/// A Vulkan format, and the swizzle of a view with which its components come out as red, green, blue.
struct VkPixels {
  VkFormat format = VK_FORMAT_UNDEFINED;
  VkComponentMapping swizzle{};  ///< all zero: VK_COMPONENT_SWIZZLE_IDENTITY
};
/// VK_FORMAT_UNDEFINED where there is none.
[[nodiscard]] VkPixels vk_pixels(PixelFormat format);
[[nodiscard]] inline VkFormat vk_format(PixelFormat format) { return vk_pixels(format).format; }

}  // namespace zc
