#include "zerocopy/vulkan/dmabuf_sources.h"

#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/vulkan/drm_modifiers.h"
#include "zerocopy/vulkan/pass_geometry.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc {
namespace {

ConversionPass::Source source_of(const VulkanBuffer* buffer, const VulkanImage* image, const Dmabuf& dmabuf) {
  const Dmabuf::Plane& plane = dmabuf.planes[0];
  return {.buffer = buffer, .plane = {plane.offset_bytes, plane.stride_bytes}, .image = image};
}

}  // namespace

std::vector<std::uint64_t> DmabufSources::modifiers(PixelFormat format) const {
  std::vector<std::uint64_t> found;
  if (!rgb_fields(format).valid) return found;
  for (const DrmModifier& m : importable_modifiers(device_->instance_fn(), device_->gpu(), format)) {
    found.push_back(m.modifier);
  }
  // LINEAR needs no image: any device that imports dmabufs reads it as a buffer.
  if (std::ranges::find(found, kModifierLinear) == found.end() &&
      device_->gpu().missing_for(VulkanUse::LinearDmabuf).empty()) {
    found.push_back(kModifierLinear);
  }
  std::erase_if(found, [&](std::uint64_t modifier) { return refused(modifier); });
  return found;
}

bool DmabufSources::refused(std::uint64_t modifier) const {
  return std::ranges::find(refusals_, modifier) != refusals_.end();
}

void DmabufSources::trim() {
  std::erase_if(entries_, [](const Entry& entry) { return entry.dmabuf.expired(); });
}

Result<ConversionPass::Source> DmabufSources::find_or_import(const std::shared_ptr<const Dmabuf>& dmabuf) {
  trim();
  // What is left is alive, so its address is its identity.
  auto known = std::ranges::find(entries_, dmabuf.get(), &Entry::identity);
  if (known == entries_.end()) {
    if (auto valid = dmabuf->validate(); !valid) return std::unexpected(std::move(valid.error()));
    if (!rgb_fields(dmabuf->format).valid) {
      return fail(ErrorKind::Unsupported, "import a dmabuf", fmt::format("{} on the GPU", name(dmabuf->format)));
    }
    if (refused(dmabuf->modifier)) {
      return fail(ErrorKind::Unsupported, "import a dmabuf",
                  fmt::format("the driver has refused modifier {:#x}", dmabuf->modifier));
    }
    auto imported = import(*dmabuf);
    if (!imported) {
      if (imported.error().kind == ErrorKind::Unsupported) refusals_.push_back(dmabuf->modifier);
      return std::unexpected(std::move(imported.error()));
    }
    entries_.push_back({dmabuf, dmabuf.get(), std::make_unique<Imported>(std::move(*imported))});
    known = entries_.end() - 1;
  }
  return source_of(std::get_if<VulkanBuffer>(known->imported.get()), std::get_if<VulkanImage>(known->imported.get()),
                   *dmabuf);
}

Result<DmabufSources::Imported> DmabufSources::import(const Dmabuf& dmabuf) const {
  if (dmabuf.modifier == kModifierLinear) {
    const Dmabuf::Plane& plane = dmabuf.planes[0];
    auto buffer = VulkanBuffer::import_dmabuf(device_, plane.fd.get(),
                                              source_bytes({plane.offset_bytes, plane.stride_bytes}, dmabuf.size));
    if (buffer) return std::move(*buffer);
    if (buffer.error().kind != ErrorKind::Unsupported ||
        !importable_modifier(device_->instance_fn(), device_->gpu(), dmabuf.format, kModifierLinear)) {
      return std::unexpected(std::move(buffer.error()));
    }
  }
  auto image = VulkanImage::import_dmabuf(device_, dmabuf);
  if (!image) return std::unexpected(std::move(image.error()));
  return std::move(*image);
}

}  // namespace zc
