#include "zerocopy/vulkan/vulkan_image.h"

#include <fmt/format.h>

#include <utility>

namespace zc {

VkPixels vk_pixels(PixelFormat format) {
  using enum PixelFormat;
  // Vulkan has no format that begins with the unused byte: the view turns the components round.
  constexpr VkComponentMapping kFromSecond{VK_COMPONENT_SWIZZLE_G, VK_COMPONENT_SWIZZLE_B, VK_COMPONENT_SWIZZLE_A,
                                           VK_COMPONENT_SWIZZLE_R};
  constexpr VkComponentMapping kBackwards{VK_COMPONENT_SWIZZLE_A, VK_COMPONENT_SWIZZLE_B, VK_COMPONENT_SWIZZLE_G,
                                          VK_COMPONENT_SWIZZLE_R};
  switch (format) {
    case BGRx:
    case BGRA: return {VK_FORMAT_B8G8R8A8_UNORM};
    case RGBx:
    case RGBA: return {VK_FORMAT_R8G8B8A8_UNORM};
    case xRGB:
    case ARGB: return {VK_FORMAT_R8G8B8A8_UNORM, kFromSecond};
    case xBGR:
    case ABGR: return {VK_FORMAT_R8G8B8A8_UNORM, kBackwards};
    case xRGB_210LE:
    case ARGB_210LE: return {VK_FORMAT_A2R10G10B10_UNORM_PACK32};
    case xBGR_210LE:
    case ABGR_210LE: return {VK_FORMAT_A2B10G10R10_UNORM_PACK32};
    default: return {};
  }
}

VulkanImage::~VulkanImage() {
  if (device_ == nullptr || !device_->abandoned()) return;
  view_.leak();
  image_.leak();
  for (auto& memory : memories_) memory.leak();
}

void VulkanImage::swap(VulkanImage& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(memories_, other.memories_);
  std::swap(image_, other.image_);
  std::swap(view_, other.view_);
  std::swap(id_, other.id_);
  std::swap(format_, other.format_);
  std::swap(size_, other.size_);
  std::swap(foreign_, other.foreign_);
}

Result<VulkanImage> VulkanImage::create(std::shared_ptr<VulkanDevice> device, PixelFormat format, Size size) {
  const VkFormat vk = vk_format(format);
  if (vk == VK_FORMAT_UNDEFINED) {
    return fail(ErrorKind::Unsupported, "make a GPU image", fmt::format("{} images", name(format)));
  }
  const VulkanDeviceFunctions& fn = device->fn();
  VulkanImage self;
  self.device_ = std::move(device);
  self.format_ = format;
  self.size_ = size;
  VkDevice handle = self.device_->handle();

  VkImageCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
  info.imageType = VK_IMAGE_TYPE_2D;
  info.format = vk;
  info.extent = {size.width, size.height, 1};
  info.mipLevels = 1;
  info.arrayLayers = 1;
  info.samples = VK_SAMPLE_COUNT_1_BIT;
  info.tiling = VK_IMAGE_TILING_OPTIMAL;
  info.usage = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
  VkImage image = VK_NULL_HANDLE;
  if (const VkResult r = fn.CreateImage(handle, &info, nullptr, &image); r != VK_SUCCESS) {
    return fail_vk(r, "make a GPU image");
  }
  self.image_ = {handle, image, fn.DestroyImage};

  VkMemoryRequirements needs{};
  fn.GetImageMemoryRequirements(handle, image, &needs);
  auto type = self.device_->memory_type(needs.memoryTypeBits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
  if (!type) type = self.device_->memory_type(needs.memoryTypeBits, 0);
  if (!type) return fail(ErrorKind::Unsupported, "make a GPU image", "the device has no memory for it");
  VkMemoryAllocateInfo allocate{};
  allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  allocate.allocationSize = needs.size;
  allocate.memoryTypeIndex = *type;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  if (const VkResult r = fn.AllocateMemory(handle, &allocate, nullptr, &memory); r != VK_SUCCESS) {
    return fail_vk(r, "allocate GPU memory");
  }
  self.device_->counters().allocations.fetch_add(1, std::memory_order_relaxed);
  self.memories_[0] = {handle, memory, fn.FreeMemory};
  if (const VkResult r = fn.BindImageMemory(handle, image, memory, 0); r != VK_SUCCESS) {
    return fail_vk(r, "bind GPU memory");
  }

  if (auto made = self.make_view(); !made) return std::unexpected(std::move(made.error()));
  return self;
}

Result<void> VulkanImage::make_view() {
  const VulkanDeviceFunctions& fn = device_->fn();
  const VkPixels pixels = vk_pixels(format_);
  VkImageViewCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO;
  info.image = image_.get();
  info.viewType = VK_IMAGE_VIEW_TYPE_2D;
  info.format = pixels.format;
  info.components = pixels.swizzle;
  info.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  VkImageView view = VK_NULL_HANDLE;
  if (const VkResult r = fn.CreateImageView(device_->handle(), &info, nullptr, &view); r != VK_SUCCESS) {
    return fail_vk(r, "make a GPU image");
  }
  view_ = {device_->handle(), view, fn.DestroyImageView};
  id_ = device_->next_id();
  return {};
}

}  // namespace zc
