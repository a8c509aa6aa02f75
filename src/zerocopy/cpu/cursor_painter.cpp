#include "zerocopy/cpu/cursor_painter.h"

#include "zerocopy/cpu/libyuv_ops.h"
#include "zerocopy/cpu/tent.h"
#include "zerocopy/cpu/yuv_coefficients.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace zc {
namespace {

/// Larger than any theme's cursor; keeps a hostile size from costing memory or time.
constexpr std::uint32_t kMaxCursorEdge = 1024;

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
  size_ = {scaled_edge(pixels.size.width, key.box.width, key.shown.width),
           scaled_edge(pixels.size.height, key.box.height, key.shown.height)};
  scale_to_inks(pixels, rgb_fields(bitmap.format));
  return {};
}

void CursorPainter::scale_to_inks(const RgbView& pixels, const RgbFields& fields) {
  constexpr std::size_t kChannels = 4;
  const auto [width, height] = size_;
  const std::size_t row_values = width * kChannels;
  columns_.assign(row_values * pixels.size.height, 0.0F);
  const std::array<std::size_t, kChannels> channel{fields.red, fields.green, fields.blue, fields.alpha};
  for (std::uint32_t x = 0; x < width; ++x) {
    const Tent tent(x, width, pixels.size.width);
    for (std::int64_t from = tent.first; from <= tent.last; ++from) {
      const float weight = tent.weight(from);
      for (std::size_t y = 0; y < pixels.size.height; ++y) {
        const std::byte* pixel = pixels.data + y * pixels.stride_bytes + tent.clamped(from) * 4;
        float* sum = columns_.data() + y * row_values + x * kChannels;
        for (std::size_t c = 0; c < kChannels; ++c) sum[c] += weight * std::to_integer<std::uint8_t>(pixel[channel[c]]);
      }
    }
  }
  const YuvMatrix matrix = yuv_matrix(target_.colour, info(target_.format).bits);
  const double one = std::ldexp(1.0, static_cast<int>(fraction_)) / 255;
  inks_.resize(size_.area());
  for (std::uint32_t y = 0; y < height; ++y) {
    const Tent tent(y, height, pixels.size.height);
    for (std::uint32_t x = 0; x < width; ++x) {
      std::array<double, kChannels> value{};
      for (std::int64_t from = tent.first; from <= tent.last; ++from) {
        const float* row = columns_.data() + tent.clamped(from) * row_values + x * kChannels;
        for (std::size_t c = 0; c < kChannels; ++c) value[c] += static_cast<double>(tent.weight(from)) * row[c];
      }
      const auto dot = [&](const std::array<double, 3>& row) {
        const double sum = (row[0] * value[0] + row[1] * value[1] + row[2] * value[2]) * one;
        return static_cast<std::int16_t>(std::lround(std::clamp(sum, -32768.0, 32767.0)));
      };
      const double cover = std::clamp(value[3] / 255, 0.0, 1.0);
      inks_[std::size_t{y} * width + x] = {
          dot(matrix.luma), dot(matrix.cb), dot(matrix.cr),
          static_cast<std::uint16_t>(std::lround((1 - cover) * (1U << kCursorKeepBits)))};
    }
  }
}

Rect CursorPainter::reach(const CursorPlacement& placement, const PicturePlan& plan) const {
  if (placement.shape == 0) return {};
  return intersect(chroma_reach(intersect(placement.rect, plan.box), plan.surface, layout_.subsampled), plan.box);
}

const CursorInk& CursorPainter::ink(std::int64_t x, std::int64_t y) const {
  static constexpr CursorInk kNone{0, 0, 0, 1U << kCursorKeepBits};
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
  const int ink_shift = kCursorKeepBits - static_cast<int>(fraction_);
  /// `ink` and `keep` are sums over 2^`weight_bits` pixels.
  const auto blend = [&](Sample* sample, std::int32_t offset, std::int32_t ink, std::int32_t keep, int weight_bits) {
    const int shift = kCursorKeepBits + weight_bits;
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
      const CursorInk& i = ink(x - placement.rect.x, y - placement.rect.y);
      if (i.keep == 1U << kCursorKeepBits && i.y == 0) continue;
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
          const CursorInk& i = ink(px - placement.rect.x, py - placement.rect.y);
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
