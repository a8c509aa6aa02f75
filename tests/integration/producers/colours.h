// Whether a decoded picture has the colours that were painted, by a conversion of its own.
#pragma once

#include "media/colour.h"
#include "media/pixel_format.h"
#include "tools/decode.h"

#include <cstdint>
#include <optional>

namespace zc::test {

/// Mean difference from the picture that paint_picture() makes with that number, in codes of 8 bits over all components
/// of samples in the right half, where neither mark nor pointer is. `source`: what the producer said that a YUV
/// format's values mean; what it left open is taken as the file says. nullopt: too few samples have colours that both
/// can hold, or the file is no 8 bit 4:2:0.
[[nodiscard]] std::optional<double> colour_difference(PixelFormat painted, const ColourDescription& source,
                                                      std::uint32_t number, const DecodedFrame& frame);

}  // namespace zc::test
