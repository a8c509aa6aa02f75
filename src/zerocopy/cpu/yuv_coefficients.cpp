#include "zerocopy/cpu/yuv_coefficients.h"

#include <algorithm>
#include <cmath>

namespace zc {
namespace {

/// The weights of one matrix row; green takes up what rounding left over, so that they add up to their exact sum.
FieldWeights quantise(const std::array<double, 3>& row, const RgbFields& fields, double scale) {
  constexpr long kMost = 0x7fff;  // a weight of one, in a row that copies, would be 2^15
  const long sum = std::lround((row[0] + row[1] + row[2]) * scale);
  const long red = std::min(std::lround(row[0] * scale), kMost);
  const long blue = std::min(std::lround(row[2] * scale), kMost);
  FieldWeights weights{};
  weights.at(fields.red) = static_cast<std::int16_t>(red);
  weights.at(fields.green) =
      row[1] == 0 ? std::int16_t{0} : static_cast<std::int16_t>(std::min(sum - red - blue, kMost));
  weights.at(fields.blue) = static_cast<std::int16_t>(blue);
  return weights;
}

}  // namespace

RgbFields rgb_fields(PixelFormat format) {
  using enum PixelFormat;
  using enum RgbLayout;
  switch (format) {
    case BGRx:
    case BGRA: return {true, Bytes, 2, 1, 0, 3};
    case RGBx:
    case RGBA: return {true, Bytes, 0, 1, 2, 3};
    case xRGB:
    case ARGB: return {true, Bytes, 1, 2, 3, 0};
    case xBGR:
    case ABGR: return {true, Bytes, 3, 2, 1, 0};
    case xRGB_210LE:
    case ARGB_210LE: return {true, TenBitLow, 2, 1, 0, 3};
    case xBGR_210LE:
    case ABGR_210LE: return {true, TenBitLow, 0, 1, 2, 3};
    case RGBx_102LE:
    case RGBA_102LE: return {true, TenBitHigh, 2, 1, 0, 3};
    case BGRx_102LE:
    case BGRA_102LE: return {true, TenBitHigh, 0, 1, 2, 3};
    default: return {};
  }
}

YuvMatrix yuv_matrix(const ColourDescription& colour, unsigned bits) {
  if (colour.matrix == ColourMatrix::Rgb) {
    const double most = std::ldexp(1.0, static_cast<int>(bits)) - 1;
    return {.luma = {0, most, 0}, .cb = {0, 0, most}, .cr = {most, 0, 0}, .luma_offset = 0, .chroma_offset = 0};
  }
  const LumaWeights w = luma_weights(colour.matrix);
  const std::array<double, 3> y{w.red, 1.0 - w.red - w.blue, w.blue};
  const bool full = colour.range == ColourRange::Full;
  const double unit = std::ldexp(1.0, static_cast<int>(bits) - 8);
  const double largest = std::ldexp(1.0, static_cast<int>(bits)) - 1;
  const double luma_scale = full ? largest : 219 * unit;
  const double chroma_scale = full ? largest : 224 * unit;
  YuvMatrix m;
  for (std::size_t i = 0; i < 3; ++i) {
    m.luma.at(i) = y.at(i) * luma_scale;
    m.cb.at(i) = chroma_scale * 0.5 * ((i == 2 ? 1.0 : 0.0) - y.at(i)) / (1.0 - w.blue);
    m.cr.at(i) = chroma_scale * 0.5 * ((i == 0 ? 1.0 : 0.0) - y.at(i)) / (1.0 - w.red);
  }
  m.luma_offset = full ? 0 : 16 * unit;
  m.chroma_offset = 128 * unit;
  return m;
}

YuvCoefficients yuv_coefficients(PixelFormat source, PixelFormat target, const ColourDescription& colour) {
  const RgbFields fields = rgb_fields(source);
  const unsigned source_bits = info(source).bits;
  const unsigned target_bits = info(target).bits;
  const YuvMatrix m = yuv_matrix(colour, target_bits);
  YuvCoefficients c;
  c.layout = fields.layout;
  c.shift = weight_shift(source_bits, target_bits);
  c.max_value = static_cast<std::uint16_t>((1U << target_bits) - 1);
  const double one = std::ldexp(1.0, static_cast<int>(c.shift));
  const double scale = one / ((1U << source_bits) - 1);
  c.luma = quantise(m.luma, fields, scale);
  c.cb = quantise(m.cb, fields, scale);
  c.cr = quantise(m.cr, fields, scale);
  c.luma_bias = static_cast<std::int32_t>((m.luma_offset + 0.5) * one);
  c.chroma_bias = static_cast<std::int32_t>((m.chroma_offset + 0.5) * one);
  c.chroma_sum_bias = c.chroma_bias * (1 << kChromaSumShift);
  return c;
}

}  // namespace zc
