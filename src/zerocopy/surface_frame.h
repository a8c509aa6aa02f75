// What an AVFrame says about a surface's pixels.
#pragma once

#include "media/surface.h"

namespace zc {

/// Size, aspect ratio, colour and chroma siting. `frame.format` and the planes are the caller's.
void describe(AVFrame& frame, const SurfaceFormat& format);

}  // namespace zc
