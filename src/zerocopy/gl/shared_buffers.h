#pragma once

#include "base/error.h"
#include "zerocopy/gl/gl_device.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace zc {

/// Vulkan's exportable buffers as GL buffers on the same memory (GL_EXT_memory_object_fd). The context's thread.
class SharedBuffers {
 public:
  explicit SharedBuffers(std::shared_ptr<GlDevice> device) : device_(std::move(device)) {}

  /// The GL buffer on `buffer`'s memory, imported when its id() is new; the memory lives until both let go.
  /// Unsupported: the driver does not import memory, or not this.
  [[nodiscard]] Result<GLuint> find_or_import(const VulkanBuffer& buffer);
  void clear() { entries_.clear(); }
  /// Lets go of all but those with these id()s. Nothing may be running on them.
  void retain(std::span<const std::uint64_t> ids);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::uint64_t id = 0;
    GlObject memory;
    GlObject buffer;
  };
  [[nodiscard]] Result<Entry> import(const VulkanBuffer& buffer) const;

  std::shared_ptr<GlDevice> device_;
  std::vector<Entry> entries_;
};

}  // namespace zc
