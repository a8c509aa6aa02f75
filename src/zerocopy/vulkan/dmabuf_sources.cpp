#include "zerocopy/vulkan/dmabuf_sources.h"

#include "zerocopy/converter_layer.h"
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
  const bool yuv = is_layer_format(format) && !rgb_fields(format).valid;
  if (!rgb_fields(format).valid && !(yuv && ConversionPass::check_layers(*device_))) return found;
  for (const DrmModifier& m : importable_modifiers(device_->instance_fn(), device_->gpu(), format)) {
    found.push_back(m.modifier);
  }
  // LINEAR needs no image: any device that imports dmabufs reads it as a buffer.
  if (std::ranges::find(found, kModifierLinear) == found.end() &&
      device_->gpu().missing_for(VulkanUse::LinearDmabuf).empty()) {
    found.push_back(kModifierLinear);
  }
  return found;
}

Result<ConversionPass::Source> DmabufSources::find_or_import(const std::shared_ptr<const Dmabuf>& dmabuf) {
  const auto imported = imported_.find_or(dmabuf, [this](const Dmabuf& found) { return import(found); });
  if (!imported) return std::unexpected(imported.error());
  return source_of(std::get_if<VulkanBuffer>(*imported), std::get_if<VulkanImage>(*imported), *dmabuf);
}

Result<DmabufSources::Imported> DmabufSources::import(const Dmabuf& dmabuf) const {
  if (auto valid = dmabuf.validate(); !valid) return std::unexpected(std::move(valid.error()));
  if (!is_layer_format(dmabuf.format)) {
    return fail(ErrorKind::Unsupported, "import a dmabuf", fmt::format("{} on the GPU", name(dmabuf.format)));
  }
  if (dmabuf.modifier == kModifierLinear) {
    const auto apart = in_several_buffers(dmabuf);
    if (!apart) return std::unexpected(apart.error());
    if (*apart) return fail(ErrorKind::Unsupported, "import a dmabuf", "its planes lie in several buffers");
    auto buffer = VulkanBuffer::import_dmabuf(device_, dmabuf.planes[0].fd.get(),
                                              picture_bytes(dmabuf.format, dmabuf.size, planes_of(dmabuf)));
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
