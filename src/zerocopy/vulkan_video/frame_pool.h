#pragma once

#include "base/error.h"
#include "gpu/vulkan/device.h"
#include "media/packet.h"
#include "media/surface.h"
#include "zerocopy/surface_slots.h"

#include <cstddef>
#include <memory>

namespace zc {

/// Surfaces as FFmpeg's own Vulkan frames (AV_PIX_FMT_VULKAN) of one AVHWFramesContext, with the images, usages and
/// sharing that its encoders want; its AVBufferPool recycles them. Memory comes back when the last AVFrame that refers
/// to it is freed, on whichever thread. The pool may die before its surfaces. One worker thread makes every call.
class VulkanFramePool {
 public:
  /// `format` with memory Vulkan. `limit`: surfaces that may be out at a time. Unsupported: no such surfaces.
  [[nodiscard]] static Result<std::unique_ptr<VulkanFramePool>> create(const SurfaceFormat& format, std::size_t limit,
                                                                       const vulkan::Device& device);

  /// A surface to be filled. Busy: `limit` are out, or the device has no memory for one more. Lost: it has none for the
  /// first one.
  [[nodiscard]] Result<Surface> take();

 private:
  VulkanFramePool(const SurfaceFormat& format, AvBufferPtr frames, std::size_t limit)
      : format_(format), frames_(std::move(frames)), places_(limit) {}

  SurfaceFormat format_;
  AvBufferPtr frames_;  ///< AVHWFramesContext
  SurfaceSlots places_;
};

/// For a surface that the GPU still works on after its time was over: FFmpeg would wait for that without a bound before
/// it frees it. It is never freed.
void leave_alive(Surface surface);

}  // namespace zc
