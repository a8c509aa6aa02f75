// Pictures in a device's memory, as libavutil manages them.
#pragma once

#include "base/error.h"
#include "media/geometry.h"
#include "media/packet.h"

extern "C" {
#include <libavutil/pixfmt.h>
}

namespace zc {

/// An initialised AVHWFramesContext of `device` (an AVHWDeviceContext): `layout` pictures in `memory`. It allocates
/// nothing until a frame is asked of it. Unsupported: the device has no such pictures.
[[nodiscard]] Result<AvBufferPtr> make_hw_frames(AVBufferRef& device, AVPixelFormat memory, AVPixelFormat layout,
                                                 Size size);

}  // namespace zc
