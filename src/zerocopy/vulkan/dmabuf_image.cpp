// Dmabufs of any DRM modifier as images: VulkanImage::import_dmabuf() and import_plane().
#include "base/unique_fd.h"
#include "zerocopy/vulkan/drm_modifiers.h"
#include "zerocopy/vulkan/vulkan_image.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "import a dmabuf as an image";
constexpr auto kDmabuf = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
constexpr std::array<VkImageAspectFlagBits, Dmabuf::kMaxPlanes> kMemoryPlanes = {
    VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_1_BIT_EXT,
    VK_IMAGE_ASPECT_MEMORY_PLANE_2_BIT_EXT, VK_IMAGE_ASPECT_MEMORY_PLANE_3_BIT_EXT};

/// A driver's words for "not this one" differ; only a lost device means more than that.
std::unexpected<Error> refused(VkResult result) {
  auto error = fail_vk(result, kOperation);
  if (error.error().kind != ErrorKind::Lost) error.error().kind = ErrorKind::Unsupported;
  return error;
}

}  // namespace

Result<bool> in_several_buffers(const Dmabuf& dmabuf) {
  struct stat first{};
  if (::fstat(dmabuf.planes[0].fd.get(), &first) != 0) return fail_errno(errno, kOperation);
  for (unsigned i = 1; i < dmabuf.plane_count; ++i) {
    struct stat other{};
    if (::fstat(dmabuf.planes.at(i).fd.get(), &other) != 0) return fail_errno(errno, kOperation);
    if (other.st_ino != first.st_ino || other.st_dev != first.st_dev) return true;
  }
  return false;
}

Result<VulkanImage> VulkanImage::import_dmabuf(std::shared_ptr<VulkanDevice> device, const Dmabuf& dmabuf) {
  auto self = import_as(std::move(device), dmabuf, {.format = vk_format(dmabuf.format)});
  if (!self) return self;
  if (auto made = self->make_view(); !made) return std::unexpected(std::move(made.error()));
  return self;
}

Result<VulkanImage> VulkanImage::import_plane(std::shared_ptr<VulkanDevice> device, const Dmabuf& dmabuf,
                                              VkFormat format) {
  return import_as(std::move(device), dmabuf, {.format = format, .usage = VK_IMAGE_USAGE_TRANSFER_DST_BIT});
}

Result<VulkanImage> VulkanImage::import_as(std::shared_ptr<VulkanDevice> device, const Dmabuf& dmabuf,
                                           const ImageUse& use) {
  const auto modifier = importable_modifier(device->instance_fn(), device->gpu(), use, dmabuf.modifier);
  if (!modifier) {
    return fail(ErrorKind::Unsupported, kOperation,
                fmt::format("{} with modifier {:#x} is none of the driver's", name(dmabuf.format), dmabuf.modifier));
  }
  if (modifier->planes != dmabuf.plane_count) {
    return fail(ErrorKind::Unsupported, kOperation,
                fmt::format("modifier {:#x} has {} memory planes, the buffer {}", dmabuf.modifier, modifier->planes,
                            dmabuf.plane_count));
  }
  if (dmabuf.size.width > modifier->max_size.width || dmabuf.size.height > modifier->max_size.height) {
    return fail(ErrorKind::Unsupported, kOperation,
                fmt::format("{}x{} px are more than the driver's {}x{}", dmabuf.size.width, dmabuf.size.height,
                            modifier->max_size.width, modifier->max_size.height));
  }
  const auto disjoint = in_several_buffers(dmabuf);
  if (!disjoint) return std::unexpected(disjoint.error());
  if (*disjoint && !modifier->disjoint) {
    return fail(ErrorKind::Unsupported, kOperation, "its planes lie in several buffers");
  }

  VulkanImage self;
  self.device_ = std::move(device);
  self.format_ = dmabuf.format;
  self.size_ = dmabuf.size;
  self.foreign_ = true;
  const VulkanDeviceFunctions& fn = self.device_->fn();

  std::array<VkSubresourceLayout, Dmabuf::kMaxPlanes> layouts{};  // sizes and other pitches must stay 0
  for (unsigned i = 0; i < dmabuf.plane_count; ++i) {
    layouts.at(i).offset = dmabuf.planes.at(i).offset_bytes;
    layouts.at(i).rowPitch = dmabuf.planes.at(i).stride_bytes;
  }
  VkImageDrmFormatModifierExplicitCreateInfoEXT explicit_layout{};
  explicit_layout.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT;
  explicit_layout.drmFormatModifier = dmabuf.modifier;
  explicit_layout.drmFormatModifierPlaneCount = dmabuf.plane_count;
  explicit_layout.pPlaneLayouts = layouts.data();
  VkExternalMemoryImageCreateInfo external{};
  external.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO;
  external.pNext = &explicit_layout;
  external.handleTypes = kDmabuf;
  VkImageCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO;
  info.pNext = &external;
  info.flags = *disjoint ? VK_IMAGE_CREATE_DISJOINT_BIT : 0;
  info.imageType = VK_IMAGE_TYPE_2D;
  info.format = use.format;
  info.extent = {dmabuf.size.width, dmabuf.size.height, 1};
  info.mipLevels = 1;
  info.arrayLayers = 1;
  info.samples = VK_SAMPLE_COUNT_1_BIT;
  info.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
  info.usage = use.usage;
  VkImage image = VK_NULL_HANDLE;
  if (const VkResult r = fn.CreateImage(self.device_->handle(), &info, nullptr, &image); r != VK_SUCCESS) {
    return refused(r);
  }
  self.image_ = {self.device_->handle(), image, fn.DestroyImage};
  if (auto imported = self.import_memory(dmabuf, *disjoint); !imported) {
    return std::unexpected(std::move(imported.error()));
  }
  self.device_->counters().imports.fetch_add(1, std::memory_order_relaxed);
  return self;
}

Result<void> VulkanImage::import_memory(const Dmabuf& dmabuf, bool disjoint) {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkDevice handle = device_->handle();
  const unsigned count = disjoint ? dmabuf.plane_count : 1;
  std::array<VkBindImagePlaneMemoryInfo, Dmabuf::kMaxPlanes> planes{};
  std::array<VkBindImageMemoryInfo, Dmabuf::kMaxPlanes> binds{};
  for (unsigned i = 0; i < count; ++i) {
    const int fd = dmabuf.planes.at(i).fd.get();
    const off_t bytes = ::lseek(fd, 0, SEEK_END);
    if (bytes < 0) return fail_errno(errno, kOperation);
    VkImagePlaneMemoryRequirementsInfo plane{};
    plane.sType = VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO;
    plane.planeAspect = kMemoryPlanes.at(i);
    VkImageMemoryRequirementsInfo2 which{};
    which.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2;
    which.pNext = disjoint ? &plane : nullptr;
    which.image = image_.get();
    VkMemoryRequirements2 needs{};
    needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
    fn.GetImageMemoryRequirements2(handle, &which, &needs);
    if (needs.memoryRequirements.size > static_cast<std::uint64_t>(bytes)) {
      return fail(ErrorKind::Unsupported, kOperation,
                  fmt::format("it has {} bytes, the driver needs {}", bytes, needs.memoryRequirements.size));
    }
    VkMemoryFdPropertiesKHR properties{};
    properties.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR;
    if (const VkResult r = fn.GetMemoryFdPropertiesKHR(handle, kDmabuf, fd, &properties); r != VK_SUCCESS) {
      return refused(r);
    }
    const std::uint32_t allowed = needs.memoryRequirements.memoryTypeBits & properties.memoryTypeBits;
    auto type = device_->memory_type(allowed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    if (!type) type = device_->memory_type(allowed, 0);
    if (!type) return fail(ErrorKind::Unsupported, kOperation, "the device has no memory of that kind");

    auto own = UniqueFd::dup(fd);
    if (!own) return std::unexpected(std::move(own.error()));
    // Always dedicated: some drivers keep a buffer's compression state only then. Disjoint images must not be.
    VkMemoryDedicatedAllocateInfo dedicated{};
    dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
    dedicated.image = image_.get();
    VkImportMemoryFdInfoKHR imported{};
    imported.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR;
    imported.pNext = disjoint ? nullptr : &dedicated;
    imported.handleType = kDmabuf;
    imported.fd = own->get();
    VkMemoryAllocateInfo allocate{};
    allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
    allocate.pNext = &imported;
    allocate.allocationSize = needs.memoryRequirements.size;
    allocate.memoryTypeIndex = *type;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    if (const VkResult r = fn.AllocateMemory(handle, &allocate, nullptr, &memory); r != VK_SUCCESS) return refused(r);
    static_cast<void>(own->release());  // the driver's now
    device_->counters().allocations.fetch_add(1, std::memory_order_relaxed);
    memories_.at(i) = {handle, memory, fn.FreeMemory};

    planes.at(i).sType = VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO;
    planes.at(i).planeAspect = kMemoryPlanes.at(i);
    binds.at(i).sType = VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO;
    binds.at(i).pNext = disjoint ? &planes.at(i) : nullptr;
    binds.at(i).image = image_.get();
    binds.at(i).memory = memory;
  }
  if (const VkResult r = fn.BindImageMemory2(handle, count, binds.data()); r != VK_SUCCESS) return refused(r);
  return {};
}

}  // namespace zc
