#pragma once

#include "base/error.h"
#include "media/dmabuf.h"
#include "zerocopy/dmabuf_cache.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/vulkan_buffer.h"
#include "zerocopy/vulkan/vulkan_image.h"

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

namespace zc {

/// Dmabufs as what the conversion pass reads: LINEAR ones as buffers, others (and LINEAR ones the driver does not take
/// as a buffer) as images, each imported once (DmabufCache). One thread.
class DmabufSources {
 public:
  explicit DmabufSources(std::shared_ptr<VulkanDevice> device) : device_(std::move(device)) {}

  /// Modifiers this device reads pictures of that format in, as its driver says: tiled first, LINEAR last.
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const;

  /// Valid as long as `dmabuf` lives and until trim(). Invalid: see Dmabuf::validate(). Unsupported: not RGB, or the
  /// driver refuses it. Lost: the device is gone.
  [[nodiscard]] Result<ConversionPass::Source> find_or_import(const std::shared_ptr<const Dmabuf>& dmabuf);
  /// Lets go of dmabufs whose object is gone. Nothing may be running on them.
  void trim() { imported_.trim(); }
  [[nodiscard]] std::size_t size() const { return imported_.size(); }

 private:
  using Imported = std::variant<VulkanBuffer, VulkanImage>;
  [[nodiscard]] Result<Imported> import(const Dmabuf& dmabuf) const;

  std::shared_ptr<VulkanDevice> device_;
  DmabufCache<Imported> imported_;
};

}  // namespace zc
