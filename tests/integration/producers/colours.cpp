#include "integration/producers/colours.h"

#include "support/picture_format.h"
#include "support/test_picture.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace zc::test {
namespace {

using Components = std::array<double, 3>;

/// BT.601, BT.709 and BT.2020: how much of red and blue luma has.
struct Weights {
  double red = 0.2126;
  double blue = 0.0722;
};
Weights weights(ColourMatrix matrix) {
  if (matrix == ColourMatrix::BT601) return {0.299, 0.114};
  if (matrix == ColourMatrix::BT2020) return {0.2627, 0.0593};
  return {};
}

/// R, G and B from 0 to 1; beyond that where the values name no colour.
Components to_rgb(const Components& yuv, ColourMatrix matrix, bool full) {
  const Weights w = weights(matrix);
  const double y = full ? yuv[0] / 255 : (yuv[0] - 16) / 219;
  const double cb = (yuv[1] - 128) / (full ? 255 : 224);
  const double cr = (yuv[2] - 128) / (full ? 255 : 224);
  const double red = y + 2 * (1 - w.red) * cr;
  const double blue = y + 2 * (1 - w.blue) * cb;
  return {red, (y - w.red * red - w.blue * blue) / (1 - w.red - w.blue), blue};
}

Components to_yuv(const Components& rgb, ColourMatrix matrix, bool full) {
  const Weights w = weights(matrix);
  const double y = w.red * rgb[0] + (1 - w.red - w.blue) * rgb[1] + w.blue * rgb[2];
  const double cb = (rgb[2] - y) / (2 * (1 - w.blue));
  const double cr = (rgb[0] - y) / (2 * (1 - w.red));
  return full ? Components{y * 255, 128 + cb * 255, 128 + cr * 255}
              : Components{16 + y * 219, 128 + cb * 224, 128 + cr * 224};
}

double component8(unsigned c, std::uint32_t x, std::uint32_t y, std::uint32_t number) {
  return picture_component(c, x, y, number) / 4;
}

/// What was painted at an even place, where the chroma samples of 4:2:0 and 4:2:2 lie.
Components painted_at(const PictureFormat& format, std::uint32_t x, std::uint32_t y, std::uint32_t number) {
  if (!format.yuv) return {component8(0, x, y, number), component8(1, x, y, number), component8(2, x, y, number)};
  if (format.format == PixelFormat::YUY2 || format.format == PixelFormat::UYVY) {  // per pixel, at half the place
    return {component8(0, x, y, number), component8(1, x / 2, y, number), component8(2, (x + 1) / 2, y, number)};
  }
  const std::uint32_t cx = x >> format.shift_x;
  const std::uint32_t cy = y >> format.shift_y;
  return {component8(0, x, y, number), component8(1, cx, cy, number), component8(2, cx, cy, number)};
}

double sample(const DecodedPlane& plane, std::uint32_t x, std::uint32_t y) {
  return std::to_integer<int>(plane.data[y * plane.stride_bytes + x]);
}

}  // namespace

std::optional<double> colour_difference(PixelFormat painted, const ColourDescription& source, std::uint32_t number,
                                        const DecodedFrame& frame) {
  if (frame.bit_depth != 8 || frame.planes[1].size.width != (frame.size.width + 1) / 2) return std::nullopt;
  const PictureFormat& format = picture_format(painted);
  const bool full = frame.colour.range == ColourRange::Full;
  const ColourMatrix matrix = source.matrix == ColourMatrix::Unknown ? frame.colour.matrix : source.matrix;
  const bool source_full = source.range == ColourRange::Unknown ? full : source.range == ColourRange::Full;
  constexpr std::uint32_t kColumns = 40;
  constexpr std::uint32_t kRows = 40;
  double sum = 0;
  unsigned samples = 0;
  for (std::uint32_t i = 0; i < kColumns * kRows; ++i) {
    const std::uint32_t half = frame.size.width / 2;
    const std::uint32_t x = (half + i % kColumns * (half - 4) / kColumns) & ~1U;
    const std::uint32_t y = (i / kColumns * (frame.size.height - 4) / kRows) & ~1U;
    const Components values = painted_at(format, x, y, number);
    const Components rgb = format.yuv ? to_rgb(values, matrix, source_full)
                                      : Components{values[0] / 255, values[1] / 255, values[2] / 255};
    if (std::ranges::any_of(rgb, [](double c) { return c < 0.02 || c > 0.98; })) continue;
    const Components wanted = to_yuv(rgb, frame.colour.matrix, full);
    sum += std::abs(wanted[0] - sample(frame.planes[0], x, y));
    sum += std::abs(wanted[1] - sample(frame.planes[1], x / 2, y / 2));
    sum += std::abs(wanted[2] - sample(frame.planes[2], x / 2, y / 2));
    samples += 3;
  }
  if (samples < 60) return std::nullopt;
  return sum / samples;
}

}  // namespace zc::test
