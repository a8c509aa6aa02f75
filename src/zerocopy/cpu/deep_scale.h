// Between a surface's code values and those of 10 bits in which layers are blended.
#pragma once

#include "media/geometry.h"
#include "media/surface.h"
#include "zerocopy/cpu/yuv_view.h"

namespace zc {

/// deep = (value - offset) * up + deep_offset, for chroma; for luma (and for G, B, R) without the offsets. Limited
/// range has four times the codes in 10 bits, and so has RGB as RgbToYuv copies it; full range a little more than that.
struct DeepScale {
  static constexpr unsigned kBits = 10;

  float up = 1;
  float offset = 0, deep_offset = 0;

  [[nodiscard]] static DeepScale of(const SurfaceFormat& format) {
    if (info(format.format).bits == kBits) return {};
    if (format.colour.range != ColourRange::Full || format.colour.matrix == ColourMatrix::Rgb) return {.up = 4};
    return {.up = 1023.0F / 255, .offset = 128, .deep_offset = 512};
  }
};

/// `rect` of a picture as I410, chroma repeated, at the same place of `out`. `rect` is inside both.
void expand_to_i410(const YuvView& picture, const Rect& rect, const YuvView& out, const DeepScale& scale);

}  // namespace zc
