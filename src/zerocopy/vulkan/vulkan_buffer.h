#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <cstddef>
#include <memory>

namespace zc {

/// A buffer with memory of its own. Move-only. May die on any thread, after the last work that uses it.
class VulkanBuffer {
 public:
  VulkanBuffer() noexcept = default;
  VulkanBuffer(VulkanBuffer&& other) noexcept { swap(other); }
  VulkanBuffer& operator=(VulkanBuffer&& other) noexcept {
    VulkanBuffer dying(std::move(other));
    swap(dying);
    return *this;
  }
  VulkanBuffer(const VulkanBuffer&) = delete;
  VulkanBuffer& operator=(const VulkanBuffer&) = delete;
  ~VulkanBuffer();

  /// Memory of the device that other APIs can import: dedicated, exportable as OPAQUE_FD. Unsupported where the device
  /// lacks VulkanUse::Export.
  [[nodiscard]] static Result<VulkanBuffer> create_exportable(std::shared_ptr<VulkanDevice> device, std::size_t bytes);
  /// Memory that both the device and the CPU reach, mapped, cached for the CPU where there is such; exportable as
  /// create_exportable()'s where the driver has such memory.
  [[nodiscard]] static Result<VulkanBuffer> create_host(const std::shared_ptr<VulkanDevice>& device, std::size_t bytes);
  /// Memory that the CPU fills for the device, mapped and coherent.
  [[nodiscard]] static Result<VulkanBuffer> create_upload(std::shared_ptr<VulkanDevice> device, std::size_t bytes);
  /// The same, in the device's own memory where the CPU reaches that; exportable as create_host()'s.
  [[nodiscard]] static Result<VulkanBuffer> create_shared_upload(const std::shared_ptr<VulkanDevice>& device,
                                                                 std::size_t bytes);
  /// The device's own memory, exportable where the driver has such.
  [[nodiscard]] static Result<VulkanBuffer> create_shared(const std::shared_ptr<VulkanDevice>& device,
                                                          std::size_t bytes);
  /// The device's own memory, for nobody else.
  [[nodiscard]] static Result<VulkanBuffer> create_device(std::shared_ptr<VulkanDevice> device, std::size_t bytes);
  /// A LINEAR dmabuf's memory (or anything the driver takes for one), the first `bytes` of it. `fd` is duplicated. The
  /// driver may round `bytes` up, so memory that is not whole pages, as dmabufs are, can be refused.
  /// Unsupported: the driver refuses it. Invalid: it is shorter than that.
  [[nodiscard]] static Result<VulkanBuffer> import_dmabuf(std::shared_ptr<VulkanDevice> device, int fd,
                                                          std::size_t bytes);
  /// What export_fd() of the same driver gave, in this process or another; `bytes` as it was created.
  [[nodiscard]] static Result<VulkanBuffer> import_opaque(std::shared_ptr<VulkanDevice> device, UniqueFd fd,
                                                          std::size_t bytes);

  explicit operator bool() const noexcept { return buffer_.get() != VK_NULL_HANDLE; }
  [[nodiscard]] VkBuffer handle() const noexcept { return buffer_.get(); }
  /// See VulkanDevice::next_id().
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// Bytes of the memory behind it: what an importer of export_fd() must be told.
  [[nodiscard]] std::size_t allocation_bytes() const noexcept { return allocation_bytes_; }
  /// Null unless made by create_host() or create_upload().
  [[nodiscard]] std::byte* mapped() const noexcept { return mapped_; }
  /// True for memory the producer, another API or process, writes: needs ownership transfers.
  [[nodiscard]] bool foreign() const noexcept { return foreign_; }

  /// A new OPAQUE_FD of an exportable buffer's memory, each time.
  [[nodiscard]] Result<UniqueFd> export_fd() const;
  /// Makes what the device wrote visible to CPU reads; the work must have ended. A no-op on coherent memory.
  [[nodiscard]] Result<void> invalidate() const;

 private:
  struct Request;
  [[nodiscard]] static Result<VulkanBuffer> create(const Request& request);
  void swap(VulkanBuffer& other) noexcept;

  std::shared_ptr<VulkanDevice> device_;
  VkOwned<VkDeviceMemory> memory_;
  VkOwned<VkBuffer> buffer_;
  std::uint64_t id_ = 0;
  std::size_t bytes_ = 0;
  std::size_t allocation_bytes_ = 0;
  std::byte* mapped_ = nullptr;
  bool coherent_ = true;
  bool foreign_ = false;
};

}  // namespace zc
