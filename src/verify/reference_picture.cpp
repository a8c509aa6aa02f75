#include "verify/reference_picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace zc::verify {
namespace {

constexpr PixelFormat kSource = PixelFormat::BGRx;

/// A value of 0 to 1, or -0.5 to 0.5 for colour differences, as a sample.
std::uint16_t quantised(double value, bool difference, unsigned bits, ColourRange range) {
  const auto unit = static_cast<double>(1U << (bits - 8));
  const auto most = static_cast<double>((1U << bits) - 1);
  const bool full = range == ColourRange::Full;
  const double scale = full ? most : (difference ? 224.0 : 219.0) * unit;
  const double offset = difference ? 128.0 * unit : full ? 0.0 : 16.0 * unit;
  // Not std::clamp(): AddressSanitizer puts what it takes by reference into memory, and this runs for every sample.
  const double sample = std::round(offset + scale * value);
  if (sample <= 0) return 0;
  return static_cast<std::uint16_t>(sample >= most ? most : sample);
}

/// The nearest column or row of a picture that has `count`: what a filter wants beyond the edge is the edge's.
std::size_t inside(std::int64_t at, std::uint32_t count) {
  if (at < 0) return 0;
  return at < std::int64_t{count} ? static_cast<std::size_t>(at) : count - 1;
}

}  // namespace

ReferencePicture::ReferencePicture(const Kind& kind)
    : kind_(kind), pattern_(kSource, kind.size), pixels_(pattern_.size_bytes()) {
  for (unsigned i = 0; i < planes_.size(); ++i) {
    const unsigned shift_x = i == 0 ? 0 : kind.chroma_shift_x;
    const unsigned shift_y = i == 0 ? 0 : kind.chroma_shift_y;
    planes_.at(i).size = {(kind.size.width + (1U << shift_x) - 1) >> shift_x,
                          (kind.size.height + (1U << shift_y) - 1) >> shift_y};
    planes_.at(i).samples.resize(planes_.at(i).size.area());
  }
  pattern_.paint_background(pixels_);
  convert({0, 0, kind.size.width, kind.size.height});
}

void ReferencePicture::paint(const TestMark& mark) {
  if (!box_.empty()) {
    pattern_.paint_background(pixels_, box_);
    convert(box_);
  }
  pattern_.paint_box(pixels_, mark.frame);
  box_ = pattern_.box(mark.frame);
  convert(box_);
  pattern_.paint_mark(pixels_, mark);
  convert(pattern_.mark_area());
}

ReferencePicture::Colour ReferencePicture::pixel(std::int64_t x, std::int64_t y) const {
  const std::byte* bytes =
      pixels_.data() + inside(y, kind_.size.height) * pattern_.stride_bytes() + inside(x, kind_.size.width) * 4;
  const auto value = [bytes](std::size_t i) { return std::to_integer<unsigned>(bytes[i]) / 255.0; };
  return {value(2), value(1), value(0)};
}

void ReferencePicture::convert_chroma(std::uint32_t x, std::uint32_t y) {
  // 4:2:0 is sited left: on even columns, between two rows.
  Colour mean;
  double weights = 0;
  const int reach = kind_.chroma_shift_x == 0 ? 0 : 1;
  const int rows = kind_.chroma_shift_y == 0 ? 1 : 2;
  for (int row = 0; row < rows; ++row) {
    for (int column = -reach; column <= reach; ++column) {
      const double weight = column == 0 ? 2 : 1;
      const Colour c =
          pixel((std::int64_t{x} << kind_.chroma_shift_x) + column, (std::int64_t{y} << kind_.chroma_shift_y) + row);
      mean.red += weight * c.red;
      mean.green += weight * c.green;
      mean.blue += weight * c.blue;
      weights += weight;
    }
  }
  const LumaWeights k = luma_weights(kind_.colour.matrix);
  const double luma = k.red * mean.red + (1 - k.red - k.blue) * mean.green + k.blue * mean.blue;
  const double cb = (mean.blue - luma) / weights / (2 * (1 - k.blue));
  const double cr = (mean.red - luma) / weights / (2 * (1 - k.red));
  const std::size_t at = std::size_t{y} * planes_[1].size.width + x;
  planes_[1].samples[at] = quantised(cb, true, kind_.bits, kind_.colour.range);
  planes_[2].samples[at] = quantised(cr, true, kind_.bits, kind_.colour.range);
}

void ReferencePicture::convert(const Rect& area) {
  const auto left = static_cast<std::uint32_t>(area.x);
  const auto top = static_cast<std::uint32_t>(area.y);
  const std::uint32_t right = left + area.width;
  const std::uint32_t bottom = top + area.height;
  const LumaWeights k = luma_weights(kind_.colour.matrix);
  for (std::uint32_t y = top; y < bottom; ++y) {
    for (std::uint32_t x = left; x < right; ++x) {
      const Colour c = pixel(x, y);
      const std::size_t at = std::size_t{y} * kind_.size.width + x;
      if (kind_.rgb) {
        planes_[0].samples[at] = quantised(c.green, false, kind_.bits, ColourRange::Full);
        planes_[1].samples[at] = quantised(c.blue, false, kind_.bits, ColourRange::Full);
        planes_[2].samples[at] = quantised(c.red, false, kind_.bits, ColourRange::Full);
        continue;
      }
      const double luma = k.red * c.red + (1 - k.red - k.blue) * c.green + k.blue * c.blue;
      planes_[0].samples[at] = quantised(luma, false, kind_.bits, kind_.colour.range);
    }
  }
  if (kind_.rgb) return;
  // With a filter of three columns a pixel reaches the samples on both sides of it.
  const std::uint32_t first_x = left >> kind_.chroma_shift_x;
  const std::uint32_t last_x = std::min((right >> kind_.chroma_shift_x) + 1, planes_[1].size.width);
  const std::uint32_t last_y = std::min(((bottom - 1) >> kind_.chroma_shift_y) + 1, planes_[1].size.height);
  for (std::uint32_t y = top >> kind_.chroma_shift_y; y < last_y; ++y) {
    for (std::uint32_t x = first_x; x < last_x; ++x) convert_chroma(x, y);
  }
}

}  // namespace zc::verify
