#pragma once

#include "base/error.h"
#include "media/dmabuf.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/vulkan_buffer.h"
#include "zerocopy/vulkan/vulkan_image.h"

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

namespace zc {

/// Dmabufs as what the conversion pass reads: LINEAR ones as buffers, others (and LINEAR ones the driver does not take
/// as a buffer) as images. Each is imported once and stays so as long as its Dmabuf object lives. Looked up by the
/// object, never by the number of its file descriptor, which the system gives to the next buffer. One thread.
class DmabufSources {
 public:
  explicit DmabufSources(std::shared_ptr<VulkanDevice> device) : device_(std::move(device)) {}

  /// Modifiers this device reads pictures of that format in: tiled first, LINEAR last, none it has refused to import.
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const;

  /// Valid as long as `dmabuf` lives and until trim(). Invalid: see Dmabuf::validate(). Unsupported: not RGB, or the
  /// driver refuses it; then every dmabuf with its modifier is refused at once, and modifiers() leaves it out.
  /// Lost: the device is gone.
  [[nodiscard]] Result<ConversionPass::Source> find_or_import(const std::shared_ptr<const Dmabuf>& dmabuf);
  /// Lets go of dmabufs whose object is gone. Nothing may be running on them.
  void trim();
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  using Imported = std::variant<VulkanBuffer, VulkanImage>;
  struct Entry {
    std::weak_ptr<const Dmabuf> dmabuf;
    const Dmabuf* identity = nullptr;
    std::unique_ptr<Imported> imported;  ///< in place: the pass points at it
  };
  [[nodiscard]] bool refused(std::uint64_t modifier) const;
  [[nodiscard]] Result<Imported> import(const Dmabuf& dmabuf) const;

  std::shared_ptr<VulkanDevice> device_;
  std::vector<Entry> entries_;
  std::vector<std::uint64_t> refusals_;  ///< for every format: else the source tries them one after the other
};

}  // namespace zc
