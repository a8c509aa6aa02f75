#include "zerocopy/cpu/cursor_painter.h"

#include "zerocopy/cpu/libyuv_ops.h"
#include "zerocopy/cpu/yuv_coefficients.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace zc {
namespace {

/// Larger than any theme's cursor; keeps a hostile size from costing memory or time.
constexpr std::uint32_t kMaxCursorEdge = 1024;
constexpr int kKeepBits = 15;

bool usable(const CursorBitmap& bitmap) {
  const RgbFields fields = rgb_fields(bitmap.format);
  return fields.valid && fields.layout == RgbLayout::Bytes && !bitmap.size.empty() &&
         bitmap.size.width <= kMaxCursorEdge && bitmap.size.height <= kMaxCursorEdge &&
         bitmap.pixels.size() >= bitmap.size.area() * 4;
}

std::int64_t rounded_ratio(std::int64_t value, std::uint32_t numerator, std::uint32_t denominator) {
  return std::llround(static_cast<double>(value) * numerator / denominator);
}

}  // namespace

void CursorPainter::configure(const SurfaceFormat& target) {
  target_ = target;
  layout_ = yuv_layout(target.format);
  // The largest contribution, 1023 in 10 bits, must fit 16 bits with a sign.
  fraction_ = 15U - info(target.format).bits;
  key_ = {};
  size_ = {};
}

Result<CursorPlacement> CursorPainter::place(const std::optional<CursorState>& cursor, const PicturePlan& plan) {
  if (!cursor || !cursor->visible || !cursor->bitmap || !usable(*cursor->bitmap)) return CursorPlacement{};
  const Size bitmap = cursor->bitmap->size;
  const std::int64_t x = std::int64_t{cursor->position.x} - cursor->hotspot.x - plan.crop.x;
  const std::int64_t y = std::int64_t{cursor->position.y} - cursor->hotspot.y - plan.crop.y;
  if (x <= -std::int64_t{bitmap.width} || y <= -std::int64_t{bitmap.height} || x >= plan.crop.width ||
      y >= plan.crop.height) {
    return CursorPlacement{};
  }
  const Rect shown =
      shown_rect(plan.transform, plan.crop.size(),
                 {static_cast<std::int32_t>(x), static_cast<std::int32_t>(y), bitmap.width, bitmap.height});
  ShapeKey key{cursor->bitmap, plan.transform, plan.shown, plan.scaled ? plan.box.size() : plan.shown};
  if (key != key_) {
    if (auto prepared = prepare(key); !prepared) return std::unexpected(std::move(prepared.error()));
    key_ = std::move(key);
    ++shape_;
  }
  const Point at{static_cast<std::int32_t>(rounded_ratio(shown.x, key_.box.width, key_.shown.width)),
                 static_cast<std::int32_t>(rounded_ratio(shown.y, key_.box.height, key_.shown.height))};
  const CursorPlacement placement{shape_, {plan.box.x + at.x, plan.box.y + at.y, size_.width, size_.height}};
  return intersect(placement.rect, plan.box).empty() ? CursorPlacement{} : placement;
}

Result<void> CursorPainter::prepare(const ShapeKey& key) {
  const CursorBitmap& bitmap = *key.bitmap;
  RgbView pixels{bitmap.pixels.data(), std::size_t{bitmap.size.width} * 4, bitmap.size};
  if (key.transform != Transform::Normal) {
    const Size turned = swaps_axes(key.transform) ? Size{bitmap.size.height, bitmap.size.width} : bitmap.size;
    turned_.resize(turned.area() * 4);
    const auto done = turn_pixels(pixels, key.transform, turned_.data(), std::size_t{turned.width} * 4);
    if (!done) return done;
    pixels = {turned_.data(), std::size_t{turned.width} * 4, turned};
  }
  const auto scaled_edge = [](std::uint32_t edge, std::uint32_t numerator, std::uint32_t denominator) {
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(rounded_ratio(edge, numerator, denominator), 1, std::int64_t{kMaxCursorEdge} * 4));
  };
  const Size scaled{scaled_edge(pixels.size.width, key.box.width, key.shown.width),
                    scaled_edge(pixels.size.height, key.box.height, key.shown.height)};
  if (scaled != pixels.size) {
    scaled_.resize(scaled.area() * 4);
    const auto done = scale_pixels(pixels, scaled, scaled_.data(), std::size_t{scaled.width} * 4);
    if (!done) return done;
    pixels = {scaled_.data(), std::size_t{scaled.width} * 4, scaled};
  }
  const RgbFields fields = rgb_fields(bitmap.format);
  const YuvMatrix matrix = yuv_matrix(target_.colour, info(target_.format).bits);
  const double one = std::ldexp(1.0, static_cast<int>(fraction_)) / 255;
  size_ = pixels.size;
  inks_.resize(size_.area());
  for (std::size_t i = 0; i < inks_.size(); ++i) {
    const auto field = [&](unsigned f) { return std::to_integer<int>(pixels.data[i * 4 + f]); };
    const std::array<int, 3> rgb{field(fields.red), field(fields.green), field(fields.blue)};
    const auto dot = [&](const std::array<double, 3>& row) {
      return static_cast<std::int16_t>(std::lround((row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]) * one));
    };
    const auto keep = std::lround((255 - field(fields.alpha)) * 32768.0 / 255);
    inks_[i] = {dot(matrix.luma), dot(matrix.cb), dot(matrix.cr), static_cast<std::uint16_t>(keep)};
  }
  return {};
}

Rect CursorPainter::reach(const CursorPlacement& placement, const PicturePlan& plan) const {
  if (placement.shape == 0) return {};
  return intersect(chroma_reach(intersect(placement.rect, plan.box), plan.surface, layout_.subsampled), plan.box);
}

const CursorPainter::Ink& CursorPainter::ink(std::int64_t x, std::int64_t y) const {
  static constexpr Ink kNone{0, 0, 0, 1U << kKeepBits};
  if (x < 0 || y < 0 || x >= size_.width || y >= size_.height) return kNone;
  return inks_[static_cast<std::size_t>(y) * size_.width + static_cast<std::size_t>(x)];
}

template <class Sample>
void CursorPainter::draw_samples(const CursorPlacement& placement, const Rect& clip, const YuvView& surface) const {
  const Rect area = intersect(placement.rect, clip);
  const unsigned bits = info(target_.format).bits;
  const auto largest = static_cast<std::int32_t>((1U << bits) - 1);
  const YuvMatrix matrix = yuv_matrix(target_.colour, bits);
  const auto luma_offset = static_cast<std::int32_t>(matrix.luma_offset);
  const auto chroma_offset = static_cast<std::int32_t>(matrix.chroma_offset);
  const int ink_shift = kKeepBits - static_cast<int>(fraction_);
  /// `ink` and `keep` are sums over 2^`weight_bits` pixels.
  const auto blend = [&](Sample* sample, std::int32_t offset, std::int32_t ink, std::int32_t keep, int weight_bits) {
    const int shift = kKeepBits + weight_bits;
    const std::int32_t old = (*sample >> layout_.value_shift) - offset;
    const std::int32_t value = offset + (((ink << ink_shift) + old * keep + (1 << (shift - 1))) >> shift);
    *sample = static_cast<Sample>(std::clamp(value, 0, largest) << layout_.value_shift);
  };
  const auto sample_at = [&](unsigned plane, std::int64_t x, std::int64_t y) {
    const YuvView::Plane& p = surface.planes.at(plane);
    return reinterpret_cast<Sample*>(p.data + static_cast<std::size_t>(y) * p.stride_bytes) + x;
  };
  const std::int64_t x1 = std::int64_t{area.x} + area.width;
  const std::int64_t y1 = std::int64_t{area.y} + area.height;
  for (std::int64_t y = area.y; y < y1; ++y) {
    for (std::int64_t x = area.x; x < x1; ++x) {
      const Ink& i = ink(x - placement.rect.x, y - placement.rect.y);
      if (i.keep == 1U << kKeepBits && i.y == 0) continue;
      blend(sample_at(0, x, y), luma_offset, i.y, i.keep, 0);
      if (layout_.subsampled) continue;
      blend(sample_at(1, x, y), chroma_offset, i.u, i.keep, 0);
      blend(sample_at(2, x, y), chroma_offset, i.v, i.keep, 0);
    }
  }
  if (!layout_.subsampled) return;
  // The same six pixels and weights as the picture's chroma; outside the picture its edge pixels count on.
  const std::int64_t left = clip.x;
  const std::int64_t right = left + clip.width - 1;
  const std::int64_t bottom = std::int64_t{clip.y} + clip.height - 1;
  for (std::int64_t cy = area.y / 2; cy <= (y1 - 1) / 2; ++cy) {
    for (std::int64_t cx = area.x / 2; cx <= std::min(x1, right) / 2; ++cx) {
      std::int32_t u = 0;
      std::int32_t v = 0;
      std::int32_t keep = 0;
      for (int dy = 0; dy < 2; ++dy) {
        for (int dx = -1; dx < 2; ++dx) {
          const std::int64_t px = std::clamp(2 * cx + dx, left, right);
          const std::int64_t py = std::min(2 * cy + dy, bottom);
          const Ink& i = ink(px - placement.rect.x, py - placement.rect.y);
          const int weight = dx == 0 ? 2 : 1;
          u += i.u * weight;
          v += i.v * weight;
          keep += i.keep * weight;
        }
      }
      Sample* const us = layout_.interleaved ? sample_at(1, 2 * cx, cy) : sample_at(1, cx, cy);
      Sample* const vs = layout_.interleaved ? us + 1 : sample_at(2, cx, cy);
      blend(us, chroma_offset, u, keep, 3);
      blend(vs, chroma_offset, v, keep, 3);
    }
  }
}

void CursorPainter::draw(const CursorPlacement& placement, const PicturePlan& plan, const YuvView& surface) const {
  if (placement.shape == 0) return;
  if (layout_.wide) {
    draw_samples<std::uint16_t>(placement, plan.box, surface);
  } else {
    draw_samples<std::uint8_t>(placement, plan.box, surface);
  }
}

}  // namespace zc
