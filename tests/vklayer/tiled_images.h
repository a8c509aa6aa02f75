#pragma once

#include "base/unique_fd.h"
#include "vklayer/test_modifiers.h"

#include <vulkan/vulkan_core.h>

#include <cstddef>
#include <map>
#include <mutex>
#include <span>

namespace zc::test {

/// The images of one device whose modifier the driver does not know: each is a LINEAR image of the driver's, filled
/// from the imported memory whenever work is submitted. Any thread.
class TiledImages {
 public:
  /// `active` false: everything passes through.
  TiledImages(VkDevice device, PFN_vkGetDeviceProcAddr get, const VkPhysicalDeviceMemoryProperties& memory, bool active)
      : device_(device), get_(get), memory_(memory), active_(active) {}
  TiledImages(const TiledImages&) = delete;
  TiledImages& operator=(const TiledImages&) = delete;
  ~TiledImages() = default;

  [[nodiscard]] PFN_vkVoidFunction next(const char* name) const { return get_(device_, name); }
  template <class Function>
  [[nodiscard]] Function fn(const char* name) const {
    return reinterpret_cast<Function>(next(name));
  }

  VkResult create(const VkImageCreateInfo& info, VkImage* image);
  void destroy(VkImage image);
  /// The layout that the image is in.
  [[nodiscard]] std::uint64_t modifier(VkImage image);
  /// What the tiled layout needs, in the place of what the LINEAR image does.
  void correct(VkImage image, VkMemoryRequirements& requirements);
  VkResult allocate(const VkMemoryAllocateInfo& info, const VkImportMemoryFdInfoKHR* import, VkDeviceMemory* memory);
  void free(VkDeviceMemory memory);
  VkResult bind(std::span<const VkBindImageMemoryInfo> binds);
  /// Brings every image up to date with the memory it was imported from.
  void refresh();

 private:
  struct Plane {
    std::size_t offset = 0, stride = 0;
  };
  struct Image {
    VkExtent3D size{};
    Plane pixels, keys;
    VkDeviceMemory own = VK_NULL_HANDLE;  ///< of the LINEAR image
    std::byte* target = nullptr;
    std::size_t target_stride = 0;
    const std::byte* source = nullptr;
    std::size_t source_bytes = 0;
  };
  VkResult back(VkImage handle, Image& image) const;
  static void detile(const Image& image);

  VkDevice device_;
  PFN_vkGetDeviceProcAddr get_;
  VkPhysicalDeviceMemoryProperties memory_;
  bool active_;
  std::mutex mutex_;
  std::map<VkImage, Image> images_;
  std::map<VkDeviceMemory, UniqueFd> imported_;
};

}  // namespace zc::test
