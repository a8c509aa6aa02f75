#pragma once

#include "base/error.h"
#include "gpu/vaapi/device.h"
#include "media/buffer_lease.h"
#include "media/surface.h"
#include "zerocopy/surface_places.h"

#include <cstddef>
#include <memory>

namespace zc {

/// Surfaces in VA-API memory, as frames of one AVHWFramesContext whose AVBufferPool recycles them, and the count of
/// what is out. Memory comes back when the last AVFrame that refers to it is freed, on whichever thread. The pool may
/// die before its surfaces. One worker thread makes every call.
class VaapiPool {
 public:
  /// `format` with memory Vaapi. `limit`: surfaces that may be out at a time. Unsupported: no such surfaces.
  [[nodiscard]] static Result<std::unique_ptr<VaapiPool>> create(const SurfaceFormat& format, std::size_t limit,
                                                                 const vaapi::Device& device);
  VaapiPool(const VaapiPool&) = delete;
  VaapiPool& operator=(const VaapiPool&) = delete;
  ~VaapiPool();

  [[nodiscard]] const SurfaceFormat& format() const { return format_; }
  /// A surface to be filled. Busy: `limit` are out, or the device has no memory for one more.
  [[nodiscard]] Result<Surface> take();
  /// A surface of somebody else's memory (an AV_PIX_FMT_VAAPI frame), handed out as it is; the lease goes back when the
  /// last reference to it does. Busy, and the lease is untouched: `limit` are out.
  [[nodiscard]] Result<Surface> lend(const AVFrame& frame, BufferLease& lease);
  /// Surfaces out that hold a lease.
  [[nodiscard]] std::size_t lent() const { return places_.lent(); }

 private:
  VaapiPool(const SurfaceFormat& format, AvBufferPtr frames, std::size_t limit);
  /// Adds what counts the frame while it lives.
  [[nodiscard]] Result<Surface> counted(AvFramePtr frame, BufferLease* lease);

  SurfaceFormat format_;
  AvBufferPtr frames_;  ///< AVHWFramesContext
  SurfacePlaces places_;
};

/// The surface behind a frame.
[[nodiscard]] VASurfaceID va_surface(const AVFrame& frame);

}  // namespace zc
