#pragma once

#include "base/error.h"
#include "gpu/vaapi/device.h"
#include "media/surface.h"
#include "zerocopy/surface_slots.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace zc {

/// Surfaces in VA-API memory, as frames of one AVHWFramesContext whose AVBufferPool recycles them, and the count of
/// what is out. Memory comes back when the last AVFrame that refers to it is freed, on whichever thread. The pool may
/// die before its surfaces. One worker thread makes every call.
class VaapiPool {
 public:
  /// `format` with memory Vaapi. `limit`: surfaces that may be out at a time. `modifiers`: the layouts that the driver
  /// may choose from (VASurfaceAttribDRMFormatModifiers); empty: it has its own way. Unsupported: no such surfaces.
  [[nodiscard]] static Result<std::unique_ptr<VaapiPool>> create(const SurfaceFormat& format, std::size_t limit,
                                                                 const vaapi::Device& device,
                                                                 std::vector<std::uint64_t> modifiers = {});
  VaapiPool(const VaapiPool&) = delete;
  VaapiPool& operator=(const VaapiPool&) = delete;
  ~VaapiPool();

  [[nodiscard]] const SurfaceFormat& format() const { return format_; }
  /// A surface to be filled. Busy: `limit` are out, or the device has no memory for one more. Lost: it has none for the
  /// first one.
  [[nodiscard]] Result<Surface> take();

 private:
  VaapiPool(const SurfaceFormat& format, AvBufferPtr frames, std::size_t limit);

  SurfaceFormat format_;
  AvBufferPtr frames_;  ///< AVHWFramesContext
  SurfaceSlots places_;
};

/// The surface behind a frame.
[[nodiscard]] VASurfaceID va_surface(const AVFrame& frame);

}  // namespace zc
