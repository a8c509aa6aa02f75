#include "zerocopy/vulkan/vulkan_buffer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <span>

namespace zc {
namespace {

constexpr VkBufferUsageFlags kUsage =
    VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
constexpr auto kOpaque = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
constexpr auto kDmabuf = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;

/// Bytes behind the last one of shared memory: Mesa's llvmpipe takes no buffer that it could not read in whole vectors.
constexpr std::size_t kOpaqueMargin = 64;

/// Memory properties to look for, best first.
constexpr std::array<VkMemoryPropertyFlags, 2> kDeviceMemory = {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0};
constexpr VkMemoryPropertyFlags kVisible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
constexpr std::array<VkMemoryPropertyFlags, 3> kHostMemory = {
    kVisible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
    kVisible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, kVisible | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT};
constexpr std::array<VkMemoryPropertyFlags, 1> kUploadMemory = {kVisible | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT};

constexpr std::array<VkMemoryPropertyFlags, 1> kNearUploadMemory = {kUploadMemory[0] |
                                                                    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT};

}  // namespace

struct VulkanBuffer::Request {
  std::shared_ptr<VulkanDevice> device;
  std::size_t bytes = 0;
  std::span<const VkMemoryPropertyFlags> memory;
  VkBufferUsageFlags usage = kUsage;
  VkExternalMemoryHandleTypeFlagBits external{};  ///< 0: neither exported nor imported
  UniqueFd* import = nullptr;                     ///< taken over when the import succeeds
  std::size_t import_bytes = 0;                   ///< size of the memory behind it
  std::uint32_t allowed_types = ~0U;
  bool map = false;
};

VulkanBuffer::~VulkanBuffer() {
  if (device_ == nullptr || !device_->abandoned()) return;
  buffer_.leak();
  memory_.leak();
}

void VulkanBuffer::swap(VulkanBuffer& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(memory_, other.memory_);
  std::swap(buffer_, other.buffer_);
  std::swap(id_, other.id_);
  std::swap(bytes_, other.bytes_);
  std::swap(allocation_bytes_, other.allocation_bytes_);
  std::swap(mapped_, other.mapped_);
  std::swap(coherent_, other.coherent_);
  std::swap(foreign_, other.foreign_);
}

Result<VulkanBuffer> VulkanBuffer::create(const Request& request) {
  VulkanDevice& device = *request.device;
  const VulkanDeviceFunctions& fn = device.fn();
  VulkanBuffer self;
  self.device_ = request.device;
  self.id_ = device.next_id();
  self.bytes_ = request.bytes;
  self.foreign_ = request.import != nullptr;

  VkExternalMemoryBufferCreateInfo external{};
  external.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO;
  external.handleTypes = static_cast<VkExternalMemoryHandleTypeFlags>(request.external);
  VkBufferCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.pNext = request.external != 0 ? &external : nullptr;
  info.size = request.bytes + (request.external == kOpaque ? kOpaqueMargin : 0);
  info.usage = request.usage;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  VkBuffer buffer = VK_NULL_HANDLE;
  if (const VkResult r = fn.CreateBuffer(device.handle(), &info, nullptr, &buffer); r != VK_SUCCESS) {
    return fail_vk(r, "make a GPU buffer");
  }
  self.buffer_ = {device.handle(), buffer, fn.DestroyBuffer};

  VkMemoryDedicatedRequirements dedicated_wish{};
  dedicated_wish.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS;
  VkMemoryRequirements2 needs{};
  needs.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2;
  needs.pNext = &dedicated_wish;
  VkBufferMemoryRequirementsInfo2 which{};
  which.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2;
  which.buffer = buffer;
  fn.GetBufferMemoryRequirements2(device.handle(), &which, &needs);
  if (request.import != nullptr && needs.memoryRequirements.size > request.import_bytes) {
    return fail(ErrorKind::Unsupported, "import GPU memory",
                fmt::format("it has {} bytes, the driver needs {} for {} of them", request.import_bytes,
                            needs.memoryRequirements.size, request.bytes));
  }

  std::optional<std::uint32_t> type;
  for (const VkMemoryPropertyFlags flags : request.memory) {
    type = device.memory_type(needs.memoryRequirements.memoryTypeBits & request.allowed_types, flags);
    if (type) break;
  }
  if (!type) return fail(ErrorKind::Unsupported, "make a GPU buffer", "the device has no memory of that kind");
  const VkMemoryPropertyFlags flags = device.memory().memoryTypes[*type].propertyFlags;
  self.coherent_ = (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;

  VkMemoryDedicatedAllocateInfo dedicated{};
  dedicated.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO;
  dedicated.buffer = buffer;
  const bool own = request.external != 0 && request.import == nullptr;
  // Ours to export: always dedicated, as CUDA and GL are told. Foreign memory only where the driver asks for it.
  const void* next = own || dedicated_wish.requiresDedicatedAllocation == VK_TRUE || request.external == kOpaque
                         ? &dedicated
                         : nullptr;
  VkExportMemoryAllocateInfo exported{};
  exported.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
  exported.handleTypes = external.handleTypes;
  VkImportMemoryFdInfoKHR imported{};
  imported.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR;
  imported.handleType = request.external;
  if (own) {
    exported.pNext = next;
    next = &exported;
  } else if (request.import != nullptr) {
    imported.fd = request.import->get();
    imported.pNext = next;
    next = &imported;
  }
  VkMemoryAllocateInfo allocate{};
  allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  allocate.pNext = next;
  // A dmabuf is imported whole: VkImportMemoryFdInfoKHR takes the size from the payload, and some drivers check it.
  allocate.allocationSize = request.external == kDmabuf ? request.import_bytes : needs.memoryRequirements.size;
  allocate.memoryTypeIndex = *type;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  if (const VkResult r = fn.AllocateMemory(device.handle(), &allocate, nullptr, &memory); r != VK_SUCCESS) {
    auto error = fail_vk(r, request.import != nullptr ? "import GPU memory" : "allocate GPU memory");
    // A driver's words for "not such an fd" differ; none means more than that.
    if (request.import != nullptr && error.error().kind != ErrorKind::Lost) error.error().kind = ErrorKind::Unsupported;
    return error;
  }
  if (request.import != nullptr) {
    static_cast<void>(request.import->release());  // the driver's now
    device.counters().imports.fetch_add(1, std::memory_order_relaxed);
  }
  device.counters().allocations.fetch_add(1, std::memory_order_relaxed);
  self.memory_ = {device.handle(), memory, fn.FreeMemory};
  self.allocation_bytes_ = allocate.allocationSize;
  if (const VkResult r = fn.BindBufferMemory(device.handle(), buffer, memory, 0); r != VK_SUCCESS) {
    return fail_vk(r, "bind GPU memory");
  }
  if (request.map) {
    void* address = nullptr;
    if (const VkResult r = fn.MapMemory(device.handle(), memory, 0, VK_WHOLE_SIZE, 0, &address); r != VK_SUCCESS) {
      return fail_vk(r, "map GPU memory");
    }
    self.mapped_ = static_cast<std::byte*>(address);
  }
  return self;
}

Result<VulkanBuffer> VulkanBuffer::create_exportable(std::shared_ptr<VulkanDevice> device, std::size_t bytes) {
  if (const std::string missing = device->gpu().missing_for(VulkanUse::Export); !missing.empty()) {
    return fail(ErrorKind::Unsupported, "make an exportable GPU buffer", "the device has no " + missing);
  }
  return create({.device = std::move(device), .bytes = bytes, .memory = kDeviceMemory, .external = kOpaque});
}

Result<VulkanBuffer> VulkanBuffer::create_host(const std::shared_ptr<VulkanDevice>& device, std::size_t bytes) {
  if (device->gpu().missing_for(VulkanUse::Export).empty()) {
    auto shared = create({.device = device, .bytes = bytes, .memory = kHostMemory, .external = kOpaque, .map = true});
    if (shared || shared.error().kind == ErrorKind::Lost) return shared;
  }
  return create({.device = device, .bytes = bytes, .memory = kHostMemory, .map = true});
}

Result<VulkanBuffer> VulkanBuffer::create_upload(std::shared_ptr<VulkanDevice> device, std::size_t bytes) {
  const auto in = [&](std::span<const VkMemoryPropertyFlags> memory) {
    return create({.device = device,
                   .bytes = bytes,
                   .memory = memory,
                   .usage = kUsage | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,
                   .map = true});
  };
  auto near = in(kNearUploadMemory);
  return near || near.error().kind == ErrorKind::Lost ? std::move(near) : in(kUploadMemory);
}

Result<VulkanBuffer> VulkanBuffer::create_shared_upload(const std::shared_ptr<VulkanDevice>& device,
                                                        std::size_t bytes) {
  const bool shared = device->gpu().missing_for(VulkanUse::Export).empty();
  // A discrete GPU may show the CPU all of its memory, a small part of it, or nothing.
  for (const std::span<const VkMemoryPropertyFlags> memory : {std::span(kNearUploadMemory), std::span(kUploadMemory)}) {
    for (const VkExternalMemoryHandleTypeFlagBits external :
         {shared ? kOpaque : VkExternalMemoryHandleTypeFlagBits{}, VkExternalMemoryHandleTypeFlagBits{}}) {
      auto made = create({.device = device, .bytes = bytes, .memory = memory, .external = external, .map = true});
      if (made || made.error().kind == ErrorKind::Lost) return made;
    }
  }
  return create_upload(device, bytes);
}

Result<VulkanBuffer> VulkanBuffer::create_shared(const std::shared_ptr<VulkanDevice>& device, std::size_t bytes) {
  if (!device->gpu().missing_for(VulkanUse::Export).empty()) return create_device(device, bytes);
  return create_exportable(device, bytes);
}

Result<VulkanBuffer> VulkanBuffer::create_device(std::shared_ptr<VulkanDevice> device, std::size_t bytes) {
  return create({.device = std::move(device), .bytes = bytes, .memory = kDeviceMemory});
}

Result<VulkanBuffer> VulkanBuffer::import_dmabuf(std::shared_ptr<VulkanDevice> device, int fd, std::size_t bytes) {
  if (const std::string missing = device->gpu().missing_for(VulkanUse::LinearDmabuf); !missing.empty()) {
    return fail(ErrorKind::Unsupported, "import a dmabuf", "the device has no " + missing);
  }
  const off_t end = ::lseek(fd, 0, SEEK_END);
  if (end < 0) return fail_errno(errno, "read the size of a dmabuf");
  const auto available = static_cast<std::size_t>(end);
  if (bytes > available) {
    return fail(ErrorKind::Invalid, "import a dmabuf", fmt::format("it has {} bytes, not {}", end, bytes));
  }
  auto own = UniqueFd::dup(fd);
  if (!own) return std::unexpected(std::move(own.error()));
  VkMemoryFdPropertiesKHR properties{};
  properties.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR;
  const VkResult r = device->fn().GetMemoryFdPropertiesKHR(device->handle(), kDmabuf, own->get(), &properties);
  if (r != VK_SUCCESS) {
    auto error = fail_vk(r, "import a dmabuf");
    error.error().kind = ErrorKind::Unsupported;
    return error;
  }
  return create({.device = std::move(device),
                 .bytes = bytes,
                 .memory = kDeviceMemory,
                 .external = kDmabuf,
                 .import = &*own,
                 .import_bytes = available,
                 .allowed_types = properties.memoryTypeBits});
}

Result<VulkanBuffer> VulkanBuffer::import_opaque(std::shared_ptr<VulkanDevice> device, UniqueFd fd, std::size_t bytes) {
  return create({.device = std::move(device),
                 .bytes = bytes,
                 .memory = kDeviceMemory,
                 .external = kOpaque,
                 .import = &fd,
                 .import_bytes = ~std::size_t{0}});
}

Result<UniqueFd> VulkanBuffer::export_fd() const {
  VkMemoryGetFdInfoKHR info{};
  info.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR;
  info.memory = memory_.get();
  info.handleType = kOpaque;
  int fd = -1;
  if (const VkResult r = device_->fn().GetMemoryFdKHR(device_->handle(), &info, &fd); r != VK_SUCCESS) {
    return fail_vk(r, "export GPU memory");
  }
  device_->counters().exports.fetch_add(1, std::memory_order_relaxed);
  return UniqueFd(fd);
}

Result<void> VulkanBuffer::invalidate() const {
  if (coherent_ || mapped_ == nullptr) return {};
  VkMappedMemoryRange range{};
  range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE;
  range.memory = memory_.get();
  range.size = VK_WHOLE_SIZE;
  if (const VkResult r = device_->fn().InvalidateMappedMemoryRanges(device_->handle(), 1, &range); r != VK_SUCCESS) {
    return fail_vk(r, "read GPU memory");
  }
  return {};
}

}  // namespace zc
