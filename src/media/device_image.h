#pragma once

#include "media/geometry.h"
#include "media/pixel_format.h"
#include "media/surface.h"

namespace zc {

/// A picture that a decoder left on its GPU, in the memory of libavutil's hardware frames. Its pixels are constant; the
/// decoder's pool has its memory back when the last reference to it dies. What its numbers mean says Frame::colour.
struct DeviceImage {
  MemoryKind memory = MemoryKind::Cuda;       ///< Cuda, Vaapi or Vulkan: how AVFrame::data are to be read
  PixelFormat format = PixelFormat::Unknown;  ///< the layout inside: NV12 or P010
  Size size;                                  ///< px of the picture; the device's memory may reach beyond it
  AvFramePtr frame;                           ///< with hw_frames_ctx; complete when the decoder has handed it out
};

}  // namespace zc
