#pragma once

#include "base/error.h"
#include "media/dmabuf.h"
#include "zerocopy/dmabuf_cache.h"
#include "zerocopy/gl/gl_device.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace zc {

/// A picture that a shader samples: components come out as red, green, blue, alpha.
struct GlPicture {
  GLuint texture = 0;
  GLenum target = GL_TEXTURE_2D;  ///< or GL_TEXTURE_EXTERNAL_OES
};

/// An EGLImage, destroyed with this. Move-only. Any thread.
class EglImage {
 public:
  EglImage() noexcept = default;
  EglImage(std::shared_ptr<GlDevice> device, EGLImageKHR image) noexcept : device_(std::move(device)), image_(image) {}
  EglImage(EglImage&& other) noexcept { swap(other); }
  EglImage& operator=(EglImage&& other) noexcept {
    EglImage dying(std::move(other));
    swap(dying);
    return *this;
  }
  EglImage(const EglImage&) = delete;
  EglImage& operator=(const EglImage&) = delete;
  ~EglImage() {
    if (image_ != EGL_NO_IMAGE_KHR) device_->egl().DestroyImageKHR(device_->display(), image_);
  }
  [[nodiscard]] EGLImageKHR get() const noexcept { return image_; }

 private:
  void swap(EglImage& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(image_, other.image_);
  }
  std::shared_ptr<GlDevice> device_;
  EGLImageKHR image_ = EGL_NO_IMAGE_KHR;
};

/// Dmabufs as textures, each imported once (DmabufCache). The context's thread.
class DmabufTextures {
 public:
  explicit DmabufTextures(std::shared_ptr<GlDevice> device) : device_(std::move(device)) {}

  /// Modifiers the driver reads pictures of that format in: tiled first, then LINEAR, then INVALID, which it imports by
  /// what it knows itself of the buffer. Empty: not RGB. The driver is asked once per format.
  [[nodiscard]] const std::vector<std::uint64_t>& modifiers(PixelFormat format) const;

  /// Valid as long as `dmabuf` lives and until trim(). Invalid: see Dmabuf::validate(). Unsupported: not RGB, or the
  /// driver refuses it. Lost: the context is gone.
  [[nodiscard]] Result<GlPicture> find_or_import(const std::shared_ptr<const Dmabuf>& dmabuf);
  /// Lets go of dmabufs whose object is gone.
  void trim() { imported_.trim(); }
  [[nodiscard]] std::size_t size() const { return imported_.size(); }

 private:
  struct Imported {
    EglImage image;  ///< dies after the texture that shows it
    GlObject texture;
    GLenum target = GL_TEXTURE_2D;
  };
  [[nodiscard]] Result<Imported> import(const Dmabuf& dmabuf) const;

  std::shared_ptr<GlDevice> device_;
  DmabufCache<Imported> imported_;
  struct Listed {
    PixelFormat format = PixelFormat::Unknown;
    std::vector<EglModifier> details;
    std::vector<std::uint64_t> modifiers;
  };
  [[nodiscard]] const Listed& listed(PixelFormat format) const;
  mutable std::vector<std::unique_ptr<Listed>> listed_;
};

}  // namespace zc
