// What layers are to look like, computed apart from the program: blended in RGB, in double precision, then converted.
#pragma once

#include "media/layer.h"
#include "unit/zerocopy/support.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace zc::test {

/// A layer whose picture is as large as its box, of the format BGRx or BGRA.
struct ReferenceLayer {
  const RgbPicture* picture;
  PixelFormat format;
  LayerPlace place;
};

/// Red, green and blue from 0 to 1.
using Rgb = std::array<double, 3>;

class RgbCanvas {
 public:
  explicit RgbCanvas(Size size) : size_(size), pixels_(size.area()) {}
  /// `picture` (BGRx) at the origin.
  explicit RgbCanvas(const RgbPicture& picture) : RgbCanvas(picture.size()) {
    for (std::uint32_t y = 0; y < size_.height; ++y) {
      for (std::uint32_t x = 0; x < size_.width; ++x) at(x, y) = rgb(picture.word(x, y));
    }
  }
  [[nodiscard]] Size size() const { return size_; }
  [[nodiscard]] Rgb& at(std::int64_t x, std::int64_t y) {
    return pixels_.at(static_cast<std::size_t>(y) * size_.width + static_cast<std::size_t>(x));
  }
  /// Beyond the edge the edge's pixel counts on.
  [[nodiscard]] const Rgb& clamped(std::int64_t x, std::int64_t y) const {
    const auto cx = std::clamp<std::int64_t>(x, 0, std::int64_t{size_.width} - 1);
    const auto cy = std::clamp<std::int64_t>(y, 0, std::int64_t{size_.height} - 1);
    return pixels_.at(static_cast<std::size_t>(cy) * size_.width + static_cast<std::size_t>(cx));
  }
  [[nodiscard]] static Rgb rgb(std::uint32_t word) {
    return {((word >> 16U) & 255U) / 255.0, ((word >> 8U) & 255U) / 255.0, (word & 255U) / 255.0};
  }

  void draw(const ReferenceLayer& layer) {
    const Rect& box = layer.place.box;
    for (std::uint32_t y = 0; y < box.height; ++y) {
      for (std::uint32_t x = 0; x < box.width; ++x) {
        const std::int64_t cx = std::int64_t{box.x} + x;
        const std::int64_t cy = std::int64_t{box.y} + y;
        if (cx < 0 || cy < 0 || cx >= size_.width || cy >= size_.height) continue;
        const std::uint32_t word = layer.picture->word(x, y);
        double a = layer.place.opacity / 255.0 * inside(layer.place, x, y);
        if (layer.format == PixelFormat::BGRA) a *= (word >> 24U) / 255.0;
        const Rgb above = rgb(word);
        Rgb& pixel = at(cx, cy);
        for (std::size_t c = 0; c < 3; ++c) pixel.at(c) = pixel.at(c) * (1 - a) + above.at(c) * a;
      }
    }
  }

 private:
  /// See LayerPlace::radius.
  static double inside(const LayerPlace& place, std::uint32_t x, std::uint32_t y) {
    const auto [width, height] = place.box.size();
    const double r = std::min(place.radius, std::min(width, height) / 2);
    const double px = x + 0.5;
    const double py = y + 0.5;
    const double dx = px < r ? r - px : px > width - r ? px - (width - r) : -1;
    const double dy = py < r ? r - py : py > height - r ? py - (height - r) : -1;
    if (dx < 0 || dy < 0) return 1;
    return std::clamp(r + 0.5 - std::sqrt(dx * dx + dy * dy), 0.0, 1.0);
  }

  Size size_;
  std::vector<Rgb> pixels_;
};

/// Component 0, 1 or 2 of a pixel as a surface has it, unrounded (ITU-R BT.601 and BT.709, H.273).
inline double component_of(const Rgb& rgb, unsigned component, const ColourDescription& colour, unsigned bits) {
  const double most = (1U << bits) - 1;
  if (colour.matrix == ColourMatrix::Rgb) return rgb.at((component + 1) % 3 == 0 ? 0 : component + 1) * most;
  const double kr = colour.matrix == ColourMatrix::BT601 ? 0.299 : 0.2126;
  const double kb = colour.matrix == ColourMatrix::BT601 ? 0.114 : 0.0722;
  const double unit = (1U << bits) / 256.0;
  const bool full = colour.range == ColourRange::Full;
  const double luma = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2];
  if (component == 0) return full ? luma * most : (16 + 219 * luma) * unit;
  const double difference = component == 1 ? (rgb[2] - luma) / (2 * (1 - kb)) : (rgb[0] - luma) / (2 * (1 - kr));
  return 128 * unit + difference * (full ? most : 224 * unit);
}

/// A sample of a surface that shows the canvas: 4:2:0 chroma is sited left.
inline double reference_sample(const RgbCanvas& canvas, unsigned component, std::size_t x, std::size_t y,
                               const SurfaceFormat& format) {
  const unsigned bits = info(format.format).bits;
  const auto px = static_cast<std::int64_t>(x);
  const auto py = static_cast<std::int64_t>(y);
  if (component == 0 || info(format.format).chroma_shift_x == 0) {
    return component_of(canvas.clamped(px, py), component, format.colour, bits);
  }
  double sum = 0;
  for (const std::int64_t dy : {0, 1}) {
    for (const std::int64_t dx : {-1, 0, 1}) {
      const Rgb& pixel = canvas.clamped(2 * px + dx, 2 * py + dy);
      sum += component_of(pixel, component, format.colour, bits) * (dx == 0 ? 2 : 1);
    }
  }
  return sum / 8;
}

/// The first sample of the surface that is more than `tolerance` code values off.
inline Difference difference(const RgbCanvas& canvas, const YuvView& surface, const SurfaceFormat& format,
                             double tolerance = 1) {
  for (unsigned c = 0; c < 3; ++c) {
    const Size size = component_size(surface, c);
    for (std::size_t y = 0; y < size.height; ++y) {
      for (std::size_t x = 0; x < size.width; ++x) {
        const double want = std::round(reference_sample(canvas, c, x, y, format));
        const int got = sample(surface, c, x, y);
        if (std::abs(want - got) > tolerance) return {true, c, x, y, static_cast<int>(want), got};
      }
    }
  }
  return {};
}

inline Layer layer_of(std::uint32_t id, const ReferenceLayer& layer) {
  auto frame = std::make_shared<Frame>();
  frame->image = layer.picture->image(layer.format);
  frame->damage = Damage::all();
  return {.id = id, .place = layer.place, .picture = std::move(frame)};
}

}  // namespace zc::test
