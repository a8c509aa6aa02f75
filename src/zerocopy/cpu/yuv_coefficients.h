// The numbers of an RGB -> YUV conversion in fixed point, shared by every kernel so that all give the same bits.
#pragma once

#include "media/colour.h"
#include "media/pixel_format.h"

#include <array>
#include <cstdint>

namespace zc {

/// Which bits of the little-endian 32-bit word are components. The bits beside them (x, alpha) are ignored.
enum class RgbLayout : std::uint8_t {
  Bytes,      ///< four bytes
  TenBitLow,  ///< three fields of 10 bits from bit 0 up (xRGB_210LE, xBGR_210LE)
  TenBitHigh  ///< three fields of 10 bits from bit 2 up (RGBx_102LE, BGRx_102LE)
};

/// One row of the matrix: a weight for each field of the pixel word from its low end up (the fourth field exists for
/// RgbLayout::Bytes only). A byte order is nothing but a permutation of these.
using FieldWeights = std::array<std::int16_t, 4>;

/// value = (sum(weight * field) + bias) >> shift, clamped to the largest code value.
///
/// Chroma of 4:2:0 is taken from the weighted sum of six pixels (1-2-1 horizontally, 1-1 vertically: weights 8 in all),
/// hence its own bias and shift. Weights of luma add up to the exact value of white and those of chroma to zero, so
/// greys are exactly neutral; the remaining error of a weight is below 2^-15, which keeps every result within 0.52 of
/// the real-valued one. ColourMatrix::Rgb copies: its single weight of one is short by 2^-15, which no sample notices.
struct YuvCoefficients {
  RgbLayout layout = RgbLayout::Bytes;
  FieldWeights luma{};
  FieldWeights cb{};
  FieldWeights cr{};
  std::int32_t luma_bias = 0;
  std::int32_t chroma_bias = 0;      ///< for one pixel (4:4:4)
  std::int32_t chroma_sum_bias = 0;  ///< for the sum of 4:2:0
  unsigned shift = 0;
  std::uint16_t max_value = 0;
};

/// Fraction bits of the weights: as many as keep |weight| below 2^15 for any matrix and range.
[[nodiscard]] constexpr unsigned weight_shift(unsigned source_bits, unsigned target_bits) {
  return 15 + source_bits - target_bits;
}
inline constexpr unsigned kChromaSumShift = 3;

/// Where the components of an RGB format are: index of the field from the low end of the word.
struct RgbFields {
  bool valid = false;
  RgbLayout layout = RgbLayout::Bytes;
  std::uint8_t red = 0, green = 0, blue = 0, alpha = 0;
};
[[nodiscard]] RgbFields rgb_fields(PixelFormat format);

/// Real-valued matrix rows {red, green, blue} for components in 0..1, scaled to code values, and the code value of zero
/// (ITU-R BT.601, BT.709, BT.2020; quantisation of H.273 8.3).
struct YuvMatrix {
  std::array<double, 3> luma{}, cb{}, cr{};
  double luma_offset = 0, chroma_offset = 0;
};
/// Unknown matrix counts as BT.709, unknown range as limited; ColourMatrix::Rgb has the full range only.
[[nodiscard]] YuvMatrix yuv_matrix(const ColourDescription& colour, unsigned bits);

/// `source` is an RGB format, `target` one that yuv_layout() knows.
[[nodiscard]] YuvCoefficients yuv_coefficients(PixelFormat source, PixelFormat target, const ColourDescription& colour);

}  // namespace zc
