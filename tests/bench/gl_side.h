// OpenGL ES beside Vulkan and CUDA in zerocast-gpu-bench: our compute pass, and what other programs do.
#pragma once

#include "gpu/cuda/driver.h"
#include "zerocopy/gl/gl_device.h"
#include "zerocopy/gl/gl_pass.h"
#include "zerocopy/gl/shared_buffers.h"

#include <ffnvcodec/dynlink_loader.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace zc::bench {

/// A picture in an ordinary texture of the driver's own tiling. The thread that makes it makes every call.
class GlSide {
 public:
  /// `bgrx`: tightly packed pixels.
  [[nodiscard]] static Result<std::unique_ptr<GlSide>> create(const VulkanDevice& gpu, Size size,
                                                              std::span<const std::byte> bgrx);
  [[nodiscard]] const std::shared_ptr<GlDevice>& device() const { return device_; }

  /// Our route: one dispatch into Vulkan's memory, waited for. `pass` is of device().
  [[nodiscard]] Result<void> convert(GlPass& pass, const PicturePlan& plan, const VulkanBuffer& target,
                                     const SurfaceLayout& layout, Nanoseconds timeout);

 private:
  friend class GlBlit;
  GlSide(std::shared_ptr<GlDevice> device, Size size) : device_(std::move(device)), size_(size), targets_(device_) {}
  [[nodiscard]] Result<GlObject> make_texture(const void* pixels) const;

  std::shared_ptr<GlDevice> device_;
  Size size_;
  GlObject picture_;
  SharedBuffers targets_;
};

/// The peers' route: a triangle that fills an immutable RGBA8 texture registered with CUDA once; mapped, copied into
/// pitched memory as BGRx, unmapped, and waited for, every frame. CUDA's context is current while it lives.
class GlBlit {
 public:
  [[nodiscard]] static Result<std::unique_ptr<GlBlit>> create(const GlSide& side, const cuda::Driver& driver,
                                                              CUstream stream);
  GlBlit(const GlBlit&) = delete;
  GlBlit& operator=(const GlBlit&) = delete;
  ~GlBlit();
  [[nodiscard]] Result<void> frame(CUdeviceptr to, std::size_t pitch);

 private:
  GlBlit(const GlSide& side, const cuda::Driver& driver, CUstream stream)
      : side_(side), driver_(driver), stream_(stream) {}
  [[nodiscard]] Result<void> check(CUresult result, const char* what) const { return driver_.check(result, what); }

  const GlSide& side_;
  const cuda::Driver& driver_;
  CUstream stream_;
  GlObject texture_, framebuffer_, program_, vertices_;
  CUgraphicsResource resource_ = nullptr;
};

}  // namespace zc::bench
