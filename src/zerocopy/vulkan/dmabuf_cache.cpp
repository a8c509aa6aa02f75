#include "zerocopy/vulkan/dmabuf_cache.h"

#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/vulkan/pass_geometry.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc {

void DmabufCache::trim() {
  std::erase_if(entries_, [](const Entry& entry) { return entry.dmabuf.expired(); });
}

Result<const VulkanBuffer*> DmabufCache::find_or_import(const std::shared_ptr<const Dmabuf>& dmabuf) {
  trim();
  // What is left is alive, so its address is its identity.
  const auto known = std::ranges::find(entries_, dmabuf.get(), &Entry::identity);
  if (known != entries_.end()) return &known->buffer;

  if (auto valid = dmabuf->validate(); !valid) return std::unexpected(std::move(valid.error()));
  if (dmabuf->modifier != kModifierLinear) {
    return fail(ErrorKind::Unsupported, "import a dmabuf",
                fmt::format("its modifier {:#x} is not linear", dmabuf->modifier));
  }
  if (!rgb_fields(dmabuf->format).valid) {
    return fail(ErrorKind::Unsupported, "import a dmabuf", fmt::format("{} on the GPU", name(dmabuf->format)));
  }
  const Dmabuf::Plane& plane = dmabuf->planes[0];
  auto buffer = VulkanBuffer::import_dmabuf(device_, plane.fd.get(),
                                            source_bytes({plane.offset_bytes, plane.stride_bytes}, dmabuf->size));
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  entries_.push_back({dmabuf, dmabuf.get(), std::move(*buffer)});
  return &entries_.back().buffer;
}

}  // namespace zc
