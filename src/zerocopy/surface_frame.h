// What an AVFrame says about a surface's pixels.
#pragma once

#include "media/surface.h"

extern "C" {
#include <libavutil/pixfmt.h>
}

namespace zc {

/// The layout in libavutil's words; AV_PIX_FMT_NONE for what surfaces do not come in.
[[nodiscard]] AVPixelFormat av_layout(PixelFormat format);

/// Size, aspect ratio, colour and chroma siting. `frame.format` and the planes are the caller's.
void describe(AVFrame& frame, const SurfaceFormat& format);

}  // namespace zc
