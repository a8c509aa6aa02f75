#include "vklayer/tiled_images.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace zc::test {

VkResult TiledImages::create(const VkImageCreateInfo& info, VkImage* image) {
  const auto next = fn<PFN_vkCreateImage>("vkCreateImage");
  const VkImageDrmFormatModifierExplicitCreateInfoEXT* layout = nullptr;
  bool listed = false;
  for (const auto* s = static_cast<const VkBaseInStructure*>(info.pNext); s != nullptr; s = s->pNext) {
    if (s->sType == VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT) {
      layout = reinterpret_cast<const VkImageDrmFormatModifierExplicitCreateInfoEXT*>(s);
    }
    if (s->sType == VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT) listed = true;
  }
  if (active_ && listed) {  // the driver may choose of a list: LINEAR, which is always on it
    VkImageCreateInfo linear = info;
    linear.pNext = nullptr;
    linear.tiling = VK_IMAGE_TILING_LINEAR;
    return next(device_, &linear, nullptr, image);
  }
  if (!active_ || layout == nullptr || layout->drmFormatModifier == 0) return next(device_, &info, nullptr, image);
  if (layout->drmFormatModifier != kTiledModifier || layout->drmFormatModifierPlaneCount != 2) {
    return VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT;
  }
  Image made;
  made.size = info.extent;
  made.pixels = {layout->pPlaneLayouts[0].offset, layout->pPlaneLayouts[0].rowPitch};
  made.keys = {layout->pPlaneLayouts[1].offset, layout->pPlaneLayouts[1].rowPitch};
  if (made.pixels.stride < tiled_stride(info.extent.width) || made.keys.stride < tiles(info.extent.width)) {
    return VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT;
  }
  VkImageCreateInfo linear = info;
  linear.pNext = nullptr;
  linear.tiling = VK_IMAGE_TILING_LINEAR;
  if (const VkResult r = next(device_, &linear, nullptr, image); r != VK_SUCCESS) return r;
  if (const VkResult r = back(*image, made); r != VK_SUCCESS) {
    fn<PFN_vkDestroyImage>("vkDestroyImage")(device_, *image, nullptr);
    return r;
  }
  const std::lock_guard lock(mutex_);
  images_[*image] = made;
  return VK_SUCCESS;
}

VkResult TiledImages::back(VkImage handle, Image& image) const {
  VkMemoryRequirements needs{};
  fn<PFN_vkGetImageMemoryRequirements>("vkGetImageMemoryRequirements")(device_, handle, &needs);
  std::optional<std::uint32_t> type;
  for (std::uint32_t i = 0; i < memory_.memoryTypeCount && !type; ++i) {
    constexpr VkMemoryPropertyFlags kWanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const bool fits = (memory_.memoryTypes[i].propertyFlags & kWanted) == kWanted;
    if (fits && (needs.memoryTypeBits >> i & 1U) != 0) type = i;
  }
  if (!type) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  VkMemoryAllocateInfo allocate{};
  allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  allocate.allocationSize = needs.size;
  allocate.memoryTypeIndex = *type;
  if (const VkResult r = fn<PFN_vkAllocateMemory>("vkAllocateMemory")(device_, &allocate, nullptr, &image.own);
      r != VK_SUCCESS) {
    return r;
  }
  VkResult r = fn<PFN_vkBindImageMemory>("vkBindImageMemory")(device_, handle, image.own, 0);
  void* address = nullptr;
  if (r == VK_SUCCESS) r = fn<PFN_vkMapMemory>("vkMapMemory")(device_, image.own, 0, VK_WHOLE_SIZE, 0, &address);
  if (r != VK_SUCCESS) {
    fn<PFN_vkFreeMemory>("vkFreeMemory")(device_, image.own, nullptr);
    return r;
  }
  const VkImageSubresource whole{VK_IMAGE_ASPECT_COLOR_BIT, 0, 0};
  VkSubresourceLayout layout{};
  fn<PFN_vkGetImageSubresourceLayout>("vkGetImageSubresourceLayout")(device_, handle, &whole, &layout);
  image.target = static_cast<std::byte*>(address) + layout.offset;
  image.target_stride = layout.rowPitch;
  return VK_SUCCESS;
}

void TiledImages::destroy(VkImage image) {
  Image gone;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = images_.find(image); found != images_.end()) {
      gone = found->second;
      images_.erase(found);
    }
  }
  fn<PFN_vkDestroyImage>("vkDestroyImage")(device_, image, nullptr);
  if (gone.own != VK_NULL_HANDLE) fn<PFN_vkFreeMemory>("vkFreeMemory")(device_, gone.own, nullptr);
  if (gone.source != nullptr) ::munmap(const_cast<std::byte*>(gone.source), gone.source_bytes);  // NOLINT(*-const-cast)
}

std::uint64_t TiledImages::modifier(VkImage image) {
  const std::lock_guard lock(mutex_);
  return images_.contains(image) ? kTiledModifier : 0;
}

void TiledImages::correct(VkImage image, VkMemoryRequirements& requirements) {
  const std::lock_guard lock(mutex_);
  const auto found = images_.find(image);
  if (found == images_.end()) return;
  const Image& tiled = found->second;
  requirements.size = std::max(tiled.pixels.offset + tiled.pixels.stride * tiles(tiled.size.height) * kTileEdge,
                               tiled.keys.offset + tiled.keys.stride * tiles(tiled.size.height));
}

VkResult TiledImages::allocate(const VkMemoryAllocateInfo& info, const VkImportMemoryFdInfoKHR* import,
                               VkDeviceMemory* memory) {
  UniqueFd copy;
  if (active_ && import != nullptr) {
    auto made = UniqueFd::dup(import->fd);
    if (!made) return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    copy = std::move(*made);
  }
  const VkResult r = fn<PFN_vkAllocateMemory>("vkAllocateMemory")(device_, &info, nullptr, memory);
  if (r != VK_SUCCESS || !copy) return r;
  const std::lock_guard lock(mutex_);
  imported_[*memory] = std::move(copy);
  return r;
}

void TiledImages::free(VkDeviceMemory memory) {
  {
    const std::lock_guard lock(mutex_);
    imported_.erase(memory);
  }
  fn<PFN_vkFreeMemory>("vkFreeMemory")(device_, memory, nullptr);
}

VkResult TiledImages::bind(std::span<const VkBindImageMemoryInfo> binds) {
  const auto next = fn<PFN_vkBindImageMemory2>("vkBindImageMemory2");
  for (const VkBindImageMemoryInfo& bind : binds) {
    const std::lock_guard lock(mutex_);
    const auto found = images_.find(bind.image);
    if (found == images_.end()) {
      if (const VkResult r = next(device_, 1, &bind); r != VK_SUCCESS) return r;
      continue;
    }
    const auto memory = imported_.find(bind.memory);
    if (memory == imported_.end() || found->second.source != nullptr) return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    const off_t bytes = ::lseek(memory->second.get(), 0, SEEK_END);
    void* address =
        bytes <= 0 ? MAP_FAILED
                   : ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ, MAP_SHARED, memory->second.get(), 0);
    if (address == MAP_FAILED) return VK_ERROR_INVALID_EXTERNAL_HANDLE;
    found->second.source = static_cast<const std::byte*>(address) + bind.memoryOffset;
    found->second.source_bytes = static_cast<std::size_t>(bytes);
  }
  return VK_SUCCESS;
}

void TiledImages::detile(const Image& image) {
  for (std::size_t y = 0; y < image.size.height; ++y) {
    for (std::size_t tile = 0; tile < tiles(image.size.width); ++tile) {
      const std::size_t row = y / kTileEdge;
      const std::byte* from = image.source + image.pixels.offset + row * image.pixels.stride * kTileEdge +
                              tile * kTileBytes + (y % kTileEdge) * kTileEdge * 4;
      const std::byte key = image.source[image.keys.offset + row * image.keys.stride + tile];
      std::byte* to = image.target + y * image.target_stride + tile * kTileEdge * 4;
      const std::size_t width = std::min<std::size_t>(kTileEdge, image.size.width - tile * kTileEdge);
      std::transform(from, from + width * 4, to, [key](std::byte b) { return b ^ key; });
    }
  }
}

void TiledImages::refresh() {
  const std::lock_guard lock(mutex_);
  for (const auto& [handle, image] : images_) {
    if (image.source != nullptr) detile(image);
  }
}

}  // namespace zc::test
