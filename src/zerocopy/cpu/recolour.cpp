#include "zerocopy/cpu/recolour.h"

#include "zerocopy/cpu/yuv_coefficients.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace zc {
namespace {

using Matrix = std::array<std::array<double, 3>, 3>;

constexpr unsigned kBits = 8;

Matrix rows_of(const YuvMatrix& matrix) { return {matrix.luma, matrix.cb, matrix.cr}; }

Matrix inverse(const Matrix& m) {
  const auto minor = [&](std::size_t r, std::size_t c) {
    const std::size_t r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3;
    return m.at(r1).at(c1) * m.at(r2).at(c2) - m.at(r1).at(c2) * m.at(r2).at(c1);
  };
  const double determinant = m[0][0] * minor(0, 0) + m[0][1] * minor(0, 1) + m[0][2] * minor(0, 2);
  Matrix out{};
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) out.at(c).at(r) = minor(r, c) / determinant;
  }
  return out;
}

std::uint8_t code(float value) { return static_cast<std::uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F)); }

std::uint8_t* row(const YuvView& picture, unsigned plane, std::size_t y) {
  const YuvView::Plane& p = picture.planes.at(plane);
  return reinterpret_cast<std::uint8_t*>(p.data + y * p.stride_bytes);
}

}  // namespace

std::optional<Recolouring> recolouring(const ColourDescription& source, const ColourDescription& target) {
  ColourDescription from = source;
  const bool rgb = target.matrix == ColourMatrix::Rgb;
  if (from.matrix == ColourMatrix::Unknown) from.matrix = rgb ? ColourMatrix::BT709 : target.matrix;
  if (from.range == ColourRange::Unknown) from.range = rgb ? ColourRange::Limited : target.range;
  if (from.matrix == target.matrix && from.range == target.range) return std::nullopt;
  const YuvMatrix before = yuv_matrix(from, kBits);
  const YuvMatrix after = yuv_matrix(target, kBits);
  const Matrix to_rgb = inverse(rows_of(before));
  const Matrix from_rgb = rows_of(after);
  const std::array<double, 3> off_before{before.luma_offset, before.chroma_offset, before.chroma_offset};
  const std::array<double, 3> off_after{after.luma_offset, after.chroma_offset, after.chroma_offset};
  Recolouring how;
  for (std::size_t r = 0; r < 3; ++r) {
    double offset = off_after.at(r);
    for (std::size_t c = 0; c < 3; ++c) {
      double weight = 0;
      for (std::size_t k = 0; k < 3; ++k) weight += from_rgb.at(r).at(k) * to_rgb.at(k).at(c);
      how.weights.at(r).at(c) = static_cast<float>(weight);
      offset -= weight * off_before.at(c);
    }
    how.offset.at(r) = static_cast<float>(offset);
  }
  return how;
}

void recolour(const YuvView& picture, const Recolouring& how) {
  const auto& w = how.weights;
  const bool subsampled = yuv_layout(picture.format).subsampled;
  const std::size_t width = picture.size.width;
  const std::size_t height = picture.size.height;
  const std::size_t step = subsampled ? 2 : 1;
  const std::size_t columns = subsampled ? (width + 1) / 2 : width;
  for (std::size_t y = 0; y < height; y += step) {
    std::uint8_t* const us = row(picture, 1, y / step);
    std::uint8_t* const vs = row(picture, 2, y / step);
    std::array<std::uint8_t*, 2> lumas{row(picture, 0, y), row(picture, 0, std::min(y + 1, height - 1))};
    const std::size_t rows = std::min(step, height - y);
    for (std::size_t i = 0; i < columns; ++i) {
      const float u = us[i];
      const float v = vs[i];
      const float more = w[0][1] * u + w[0][2] * v + how.offset[0];
      const std::size_t x0 = i * step;
      const std::size_t x1 = std::min(x0 + step, width);
      float mean = 0;
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t x = x0; x < x1; ++x) {
          const float luma = lumas.at(r)[x];
          mean += luma;
          lumas.at(r)[x] = code(w[0][0] * luma + more);
        }
      }
      // Matrices of YUV take chroma from chroma alone; RGB's takes it from luma, too.
      mean /= static_cast<float>(rows * (x1 - x0));
      us[i] = code(w[1][0] * mean + w[1][1] * u + w[1][2] * v + how.offset[1]);
      vs[i] = code(w[2][0] * mean + w[2][1] * u + w[2][2] * v + how.offset[2]);
    }
  }
}

}  // namespace zc
