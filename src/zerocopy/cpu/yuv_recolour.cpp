#include "zerocopy/cpu/yuv_recolour.h"

#include "zerocopy/cpu/yuv_coefficients.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace zc {
namespace {

constexpr unsigned kShift = 14;

/// Rows of the inverse of `m`: red, green and blue of luma, Cb and Cr less their offsets.
std::array<std::array<double, 3>, 3> inverse(const YuvMatrix& m) {
  const std::array<std::array<double, 3>, 3> a{m.luma, m.cb, m.cr};
  const auto minor = [&](std::size_t row, std::size_t column) {
    const std::size_t r0 = (row + 1) % 3;
    const std::size_t r1 = (row + 2) % 3;
    const std::size_t c0 = (column + 1) % 3;
    const std::size_t c1 = (column + 2) % 3;
    return a.at(r0).at(c0) * a.at(r1).at(c1) - a.at(r0).at(c1) * a.at(r1).at(c0);
  };
  double determinant = 0;
  for (std::size_t i = 0; i < 3; ++i) determinant += a.at(0).at(i) * minor(0, i);
  std::array<std::array<double, 3>, 3> result{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 3; ++column) result.at(row).at(column) = minor(column, row) / determinant;
  }
  return result;
}

std::array<std::int32_t, 3> row_of(const std::array<double, 3>& to, const std::array<std::array<double, 3>, 3>& from) {
  std::array<std::int32_t, 3> row{};
  for (std::size_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) sum += to.at(k) * from.at(k).at(i);
    row.at(i) = static_cast<std::int32_t>(std::lround(sum * (1U << kShift)));
  }
  return row;
}

template <class Sample>
Sample* row(const YuvView& view, unsigned plane, std::size_t y) {
  return reinterpret_cast<Sample*>(view.planes.at(plane).data + y * view.planes.at(plane).stride_bytes);
}

}  // namespace

std::optional<YuvRecolour> YuvRecolour::between(const ColourDescription& source, const ColourDescription& target,
                                                PixelFormat format) {
  ColourDescription from = source;
  const bool rgb = target.matrix == ColourMatrix::Rgb;
  const bool subsampled = yuv_layout(format).subsampled;
  const ColourDescription& otherwise = rgb ? kBt709Limited : target;
  if (from.matrix == ColourMatrix::Unknown || from.matrix == ColourMatrix::Rgb) from.matrix = otherwise.matrix;
  if (from.range == ColourRange::Unknown) from.range = otherwise.range;
  if ((rgb && subsampled) || (from.matrix == target.matrix && from.range == target.range)) return std::nullopt;
  const unsigned bits = info(format).bits;
  const YuvMatrix a = yuv_matrix(from, bits);
  const YuvMatrix b = yuv_matrix(target, bits);
  const auto to_rgb = inverse(a);
  YuvRecolour recolour;
  recolour.format_ = format;
  recolour.luma_ = row_of(b.luma, to_rgb);
  recolour.cb_ = row_of(b.cb, to_rgb);
  recolour.cr_ = row_of(b.cr, to_rgb);
  const auto bias = [](double offset) {
    return static_cast<std::int32_t>(std::lround((offset + 0.5) * (1U << kShift)));
  };
  // Luma's own offset goes with its weight; chroma's is subtracted from the samples.
  const auto less_luma = [&](const std::array<std::int32_t, 3>& row) {
    return static_cast<std::int32_t>(std::lround(a.luma_offset * row.at(0)));
  };
  recolour.rgb_ = rgb;
  recolour.luma_bias_ = bias(b.luma_offset) - less_luma(recolour.luma_);
  recolour.cb_bias_ = bias(b.chroma_offset) - less_luma(recolour.cb_);
  recolour.cr_bias_ = bias(b.chroma_offset) - less_luma(recolour.cr_);
  recolour.max_value_ = static_cast<std::int32_t>((1U << bits) - 1);
  recolour.value_shift_ = yuv_layout(format).value_shift;
  return recolour;
}

void YuvRecolour::apply(const YuvView& view) {
  const bool wide = yuv_layout(view.format).wide;
  if (rgb_) return wide ? run_rgb<std::uint16_t>(view) : run_rgb<std::uint8_t>(view);
  return wide ? run<std::uint16_t>(view) : run<std::uint8_t>(view);
}

/// Of 4:4:4: luma counts in each component.
template <class Sample>
void YuvRecolour::run_rgb(const YuvView& view) const {
  const std::int32_t middle = 1 << (info(view.format).bits - 1);
  const std::int32_t most = max_value_;
  const auto mixed = [most](const std::array<std::int32_t, 3>& row, std::int32_t y, std::int32_t cb, std::int32_t cr,
                            std::int32_t bias) {
    return static_cast<Sample>(std::clamp((row[0] * y + row[1] * cb + row[2] * cr + bias) >> kShift, 0, most));
  };
  for (std::size_t y = 0; y < view.size.height; ++y) {
    Sample* const green = row<Sample>(view, 0, y);
    Sample* const blue = row<Sample>(view, 1, y);
    Sample* const red = row<Sample>(view, 2, y);
    for (std::size_t x = 0; x < view.size.width; ++x) {
      const std::int32_t luma = green[x];
      const std::int32_t cb = blue[x] - middle;
      const std::int32_t cr = red[x] - middle;
      green[x] = mixed(luma_, luma, cb, cr, luma_bias_);
      blue[x] = mixed(cb_, luma, cb, cr, cb_bias_);
      red[x] = mixed(cr_, luma, cb, cr, cr_bias_);
    }
  }
}

template <class Sample>
void YuvRecolour::run(const YuvView& view) {
  const YuvLayout layout = yuv_layout(view.format);
  const std::size_t width = view.size.width;
  const std::size_t chroma_width = plane_width(view.format, 1, view.size.width);
  const std::size_t lines = layout.subsampled ? 2 : 1;
  const std::size_t step = layout.interleaved ? 2 : 1;
  const std::int32_t middle = 1 << (info(view.format).bits - 1);
  const unsigned shift = value_shift_;
  const std::int32_t most = max_value_;
  const auto sample = [most, shift](std::int32_t value) {
    return static_cast<Sample>(std::clamp(value >> kShift, 0, most) << shift);
  };
  added_.resize(2 * chroma_width);
  for (std::size_t cy = 0; cy * lines < view.size.height; ++cy) {
    Sample* const u = row<Sample>(view, 1, cy);
    Sample* const v = layout.interleaved ? u + 1 : row<Sample>(view, 2, cy);
    std::int32_t* const added = added_.data();
    const std::int32_t from_u = luma_[1];
    const std::int32_t from_v = luma_[2];
    if (layout.subsampled) {
      for (std::size_t x = 0; x < chroma_width; ++x) {
        const std::int32_t sum =
            from_u * ((u[x * step] >> shift) - middle) + from_v * ((v[x * step] >> shift) - middle);
        added[2 * x] = sum;
        added[2 * x + 1] = sum;
      }
    } else {
      for (std::size_t x = 0; x < chroma_width; ++x) {
        added[x] = from_u * ((u[x] >> shift) - middle) + from_v * ((v[x] >> shift) - middle);
      }
    }
    for (std::size_t y = cy * lines; y < std::min<std::size_t>((cy + 1) * lines, view.size.height); ++y) {
      Sample* const luma = row<Sample>(view, 0, y);
      const std::int32_t weight = luma_[0];
      const std::int32_t bias = luma_bias_;
      for (std::size_t x = 0; x < width; ++x) luma[x] = sample(weight * (luma[x] >> shift) + added[x] + bias);
    }
    for (std::size_t x = 0; x < chroma_width; ++x) {
      const std::int32_t cb = (u[x * step] >> shift) - middle;
      const std::int32_t cr = (v[x * step] >> shift) - middle;
      u[x * step] = sample(cb_[1] * cb + cb_[2] * cr + cb_bias_);
      v[x * step] = sample(cr_[1] * cb + cr_[2] * cr + cr_bias_);
    }
  }
}

}  // namespace zc
