#include "zerocopy/gl/dmabuf_textures.h"

#include "zerocopy/cpu/yuv_coefficients.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

namespace zc {
namespace {

/// The attribute names of one memory plane (EGL_EXT_image_dma_buf_import and its _modifiers).
struct PlaneNames {
  EGLint fd, offset, pitch, modifier_low, modifier_high;
};
constexpr std::array<PlaneNames, Dmabuf::kMaxPlanes> kPlanes = {{
    {EGL_DMA_BUF_PLANE0_FD_EXT, EGL_DMA_BUF_PLANE0_OFFSET_EXT, EGL_DMA_BUF_PLANE0_PITCH_EXT,
     EGL_DMA_BUF_PLANE0_MODIFIER_LO_EXT, EGL_DMA_BUF_PLANE0_MODIFIER_HI_EXT},
    {EGL_DMA_BUF_PLANE1_FD_EXT, EGL_DMA_BUF_PLANE1_OFFSET_EXT, EGL_DMA_BUF_PLANE1_PITCH_EXT,
     EGL_DMA_BUF_PLANE1_MODIFIER_LO_EXT, EGL_DMA_BUF_PLANE1_MODIFIER_HI_EXT},
    {EGL_DMA_BUF_PLANE2_FD_EXT, EGL_DMA_BUF_PLANE2_OFFSET_EXT, EGL_DMA_BUF_PLANE2_PITCH_EXT,
     EGL_DMA_BUF_PLANE2_MODIFIER_LO_EXT, EGL_DMA_BUF_PLANE2_MODIFIER_HI_EXT},
    {EGL_DMA_BUF_PLANE3_FD_EXT, EGL_DMA_BUF_PLANE3_OFFSET_EXT, EGL_DMA_BUF_PLANE3_PITCH_EXT,
     EGL_DMA_BUF_PLANE3_MODIFIER_LO_EXT, EGL_DMA_BUF_PLANE3_MODIFIER_HI_EXT},
}};

/// EGL takes the descriptors' contents, not the descriptors.
std::vector<EGLint> image_attributes(const Dmabuf& dmabuf) {
  std::vector<EGLint> out{EGL_WIDTH,
                          static_cast<EGLint>(dmabuf.size.width),
                          EGL_HEIGHT,
                          static_cast<EGLint>(dmabuf.size.height),
                          EGL_LINUX_DRM_FOURCC_EXT,
                          static_cast<EGLint>(info(dmabuf.format).drm_fourcc)};
  const std::array<EGLint, 2> modifier{static_cast<EGLint>(dmabuf.modifier & 0xffff'ffffU),
                                       static_cast<EGLint>(dmabuf.modifier >> 32U)};
  // An implicit layout is one that nobody names: the driver asks the kernel about the buffer.
  const bool named = dmabuf.modifier != kModifierInvalid;
  for (unsigned i = 0; i < dmabuf.plane_count; ++i) {
    const Dmabuf::Plane& plane = dmabuf.planes.at(i);
    const PlaneNames& names = kPlanes.at(i);
    const std::array<EGLint, 10> attributes{names.fd,
                                            plane.fd.get(),
                                            names.offset,
                                            static_cast<EGLint>(plane.offset_bytes),
                                            names.pitch,
                                            static_cast<EGLint>(plane.stride_bytes),
                                            names.modifier_low,
                                            modifier[0],
                                            names.modifier_high,
                                            modifier[1]};
    std::ranges::copy(std::span(attributes).first(named ? 10 : 6), std::back_inserter(out));
  }
  out.push_back(EGL_NONE);
  return out;
}

}  // namespace

const DmabufTextures::Listed& DmabufTextures::listed(PixelFormat format) const {
  for (const auto& known : listed_) {
    if (known->format == format) return *known;
  }
  auto fresh = std::make_unique<Listed>();
  fresh->format = format;
  if (rgb_fields(format).valid) fresh->details = device_->modifiers(format);
  for (const EglModifier& m : fresh->details) fresh->modifiers.push_back(m.modifier);
  return *listed_.emplace_back(std::move(fresh));
}

const std::vector<std::uint64_t>& DmabufTextures::modifiers(PixelFormat format) const {
  return listed(format).modifiers;
}

Result<GlPicture> DmabufTextures::find_or_import(const std::shared_ptr<const Dmabuf>& dmabuf) {
  const auto imported = imported_.find_or(dmabuf, [this](const Dmabuf& found) { return import(found); });
  if (!imported) return std::unexpected(imported.error());
  return GlPicture{(*imported)->texture.get(), (*imported)->target};
}

Result<DmabufTextures::Imported> DmabufTextures::import(const Dmabuf& dmabuf) const {
  if (auto valid = dmabuf.validate(); !valid) return std::unexpected(std::move(valid.error()));
  const std::vector<EglModifier>& details = listed(dmabuf.format).details;
  const auto modifier = std::ranges::find(details, dmabuf.modifier, &EglModifier::modifier);
  if (modifier == details.end()) {
    return fail(ErrorKind::Unsupported, "import a dmabuf",
                fmt::format("the driver does not list {} with modifier {:#x}", name(dmabuf.format), dmabuf.modifier));
  }
  const EglFunctions& egl = device_->egl();
  const GlFunctions& gl = device_->gl();
  const std::vector<EGLint> attributes = image_attributes(dmabuf);
  EGLImageKHR handle =
      egl.CreateImageKHR(device_->display(), EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, nullptr, attributes.data());
  if (handle == EGL_NO_IMAGE_KHR) return fail_egl(egl, "import a dmabuf");
  Imported imported{EglImage(device_, handle), GlObject::texture(device_),
                    modifier->external_only ? static_cast<GLenum>(GL_TEXTURE_EXTERNAL_OES) : GL_TEXTURE_2D};
  gl.BindTexture(imported.target, imported.texture.get());
  gl.EGLImageTargetTexture2DOES(imported.target, handle);
  // Without mipmaps a texture of the default filter is incomplete, and reads as black.
  gl.TexParameteri(imported.target, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
  gl.TexParameteri(imported.target, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
  gl.BindTexture(imported.target, 0);
  if (auto shown = check_gl(gl, "import a dmabuf"); !shown) return std::unexpected(std::move(shown.error()));
  device_->counters().images.fetch_add(1, std::memory_order_relaxed);
  return imported;
}

}  // namespace zc
