#pragma once

#include "base/error.h"
#include "media/surface.h"

#include <cstddef>
#include <vector>

namespace zc {

/// The picture as a PNG file, 8 bits a component or, of deeper surfaces, 16. RGB surfaces keep every sample; of others
/// the conversion is undone with their own matrix and range, and subsampled chroma is interpolated. SDR is tagged sRGB,
/// which is what screens hand over; other primaries and transfer functions by a cICP chunk, HDR included. The surface,
/// in whichever memory, is let go of before the compression, which takes by far the longest.
/// Lost: the device's memory cannot be read. Unsupported: this FFmpeg has no PNG encoder.
[[nodiscard]] Result<std::vector<std::byte>> png_of(Surface picture);

}  // namespace zc
