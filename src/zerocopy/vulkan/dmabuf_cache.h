#pragma once

#include "base/error.h"
#include "media/dmabuf.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

#include <memory>
#include <vector>

namespace zc {

/// LINEAR dmabufs as Vulkan buffers: each is imported once and stays so as long as its Dmabuf object lives. Looked up
/// by the object, never by the number of its file descriptor, which the system gives to the next buffer. One thread.
class DmabufCache {
 public:
  explicit DmabufCache(std::shared_ptr<VulkanDevice> device) : device_(std::move(device)) {}

  /// Valid as long as `dmabuf` lives and until trim(). Unsupported: not LINEAR, not one plane of RGB, or refused by the
  /// driver. Invalid: see Dmabuf::validate().
  [[nodiscard]] Result<const VulkanBuffer*> find_or_import(const std::shared_ptr<const Dmabuf>& dmabuf);
  /// Lets go of buffers whose Dmabuf is gone. Nothing may be running on them.
  void trim();
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::weak_ptr<const Dmabuf> dmabuf;
    const Dmabuf* identity = nullptr;
    VulkanBuffer buffer;
  };
  std::shared_ptr<VulkanDevice> device_;
  std::vector<Entry> entries_;
};

}  // namespace zc
