// What a composed picture has to look like, computed in double precision from layer.h's words alone.
#pragma once

#include "media/dmabuf.h"
#include "media/frame.h"
#include "media/layer.h"
#include "media/surface.h"
#include "unit/zerocopy/support.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace zc::test {

/// Red, green and blue, 0 to 1.
using Rgb = std::array<double, 3>;
/// Red, green, blue (not premultiplied) and alpha, 0 to 1.
using Rgba = std::array<double, 4>;

/// Component 0, 1 or 2 of a pixel as a surface has it, unrounded (ITU-R BT.601 and BT.709, H.273).
inline double component_of(const Rgb& rgb, unsigned component, const ColourDescription& colour, unsigned bits) {
  const double unit = std::ldexp(1.0, static_cast<int>(bits) - 8);
  const double most = std::ldexp(1.0, static_cast<int>(bits)) - 1;
  if (colour.matrix == ColourMatrix::Rgb) return rgb.at((component + 1) % 3) * most;
  const bool full = colour.range == ColourRange::Full;
  const auto [kr, kb] = luma_weights(colour.matrix);
  const double luma = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2];
  if (component == 0) return full ? luma * most : (16 + 219 * luma) * unit;
  const double difference = component == 1 ? (rgb[2] - luma) / (2 * (1 - kb)) : (rgb[0] - luma) / (2 * (1 - kr));
  return std::min(most, 128 * unit + difference * (full ? most : 224 * unit));
}

/// Reads any format from host memory, which outlives it, by what the format's name says.
class ReferencePicture {
 public:
  ReferencePicture(const HostImage& image, const ColourDescription& colour) : image_(image), colour_(colour) {}
  [[nodiscard]] Rgba at(std::int64_t x, std::int64_t y) const {
    return info(image_.format).yuv ? yuv_at(x, y) : rgb_at(x, y);
  }

 private:
  [[nodiscard]] std::uint32_t bits_at(unsigned plane, std::int64_t y, std::int64_t byte, unsigned bytes) const {
    std::uint32_t value = 0;
    std::memcpy(&value, image_.planes.at(plane).data + y * image_.planes.at(plane).stride_bytes + byte, bytes);
    return value;
  }
  [[nodiscard]] Rgba rgb_at(std::int64_t x, std::int64_t y) const {
    const std::string_view text = name(image_.format);
    const std::uint32_t word = bits_at(0, y, x * 4, 4);
    const bool tens = text.size() > 4;
    Rgba out{0, 0, 0, 1};
    unsigned from_top = 0;
    for (unsigned i = 0; i < 4; ++i) {
      const bool padding = text[i] == 'x' || text[i] == 'A';
      const unsigned width = !tens ? 8 : padding ? 2 : 10;
      // Bytes are named from the low end of the word, fields of ten bits from its high end.
      const unsigned shift = tens ? 32 - from_top - width : 8 * i;
      from_top += width;
      const double most = std::ldexp(1.0, static_cast<int>(width)) - 1;
      const double value = static_cast<double>((word >> shift) & ((1U << width) - 1)) / most;
      const std::size_t place = std::string_view("RGBA").find(text[i]);
      if (place != std::string_view::npos) out.at(place) = value;
    }
    return out;
  }
  /// A component in code values.
  [[nodiscard]] double code(unsigned component, std::int64_t x, std::int64_t y) const {
    switch (image_.format) {
      case PixelFormat::NV12: return component == 0 ? bits_at(0, y, x, 1) : bits_at(1, y, 2 * x + component - 1, 1);
      case PixelFormat::P010:
        return (component == 0 ? bits_at(0, y, 2 * x, 2) : bits_at(1, y, 4 * x + 2 * (component - 1), 2)) >> 6U;
      case PixelFormat::I420:
      case PixelFormat::I422:
      case PixelFormat::I444: return bits_at(component, y, x, 1);
      case PixelFormat::I010:
      case PixelFormat::I410: return bits_at(component, y, 2 * x, 2);
      case PixelFormat::YUY2: return bits_at(0, y, component == 0 ? 2 * x : 4 * x + 2 * component - 1, 1);
      case PixelFormat::UYVY: return bits_at(0, y, component == 0 ? 2 * x + 1 : 4 * x + 2 * (component - 1), 1);
      default: throw std::runtime_error("no such reference");
    }
  }
  [[nodiscard]] Rgba yuv_at(std::int64_t x, std::int64_t y) const {
    const PixelFormatInfo& format = info(image_.format);
    const bool packed = format.planes == 1;
    const std::int64_t half_x = packed ? 1 : format.chroma_shift_x;
    const std::int64_t half_y = packed ? 0 : format.chroma_shift_y;
    const std::int64_t last = ((static_cast<std::int64_t>(image_.size.width) + half_x) >> half_x) - 1;
    const double most = std::ldexp(1.0, format.bits) - 1;
    const double unit = std::ldexp(1.0, format.bits - 8);
    const bool full = colour_.range == ColourRange::Full;
    std::array<double, 3> yuv{code(0, x, y), 0, 0};
    for (unsigned c = 1; c < 3; ++c) {
      const std::int64_t from = x >> half_x;
      yuv.at(c) = code(c, from, y >> half_y);
      if (half_x != 0 && x % 2 != 0) yuv.at(c) = (yuv.at(c) + code(c, std::min(from + 1, last), y >> half_y)) / 2;
    }
    const double luma = full ? yuv[0] / most : (yuv[0] - 16 * unit) / (219 * unit);
    const double scale = full ? most : 224 * unit;
    const double cb = (yuv[1] - 128 * unit) / scale;
    const double cr = (yuv[2] - 128 * unit) / scale;
    const auto [kr, kb] = luma_weights(colour_.matrix);
    const double red = luma + 2 * (1 - kr) * cr;
    const double blue = luma + 2 * (1 - kb) * cb;
    const double green = (luma - kr * red - kb * blue) / (1 - kr - kb);
    return {std::clamp(red, 0.0, 1.0), std::clamp(green, 0.0, 1.0), std::clamp(blue, 0.0, 1.0), 1};
  }

  const HostImage& image_;
  const ColourDescription& colour_;
};

/// A picture as it is shown: cropped, turned, filtered.
struct SceneLayer {
  HostImage image;
  ColourDescription colour = kBt709Limited;
  Rect crop = {};  ///< empty: everything
  Transform transform = Transform::Normal;
  LayerPlace place = {};

  [[nodiscard]] Rect cropped() const { return crop.empty() ? Rect{0, 0, image.size.width, image.size.height} : crop; }
  [[nodiscard]] Size shown() const {
    const Size size = cropped().size();
    return swaps_axes(transform) ? Size{size.height, size.width} : size;
  }
  [[nodiscard]] Rgba turned(std::int64_t x, std::int64_t y) const {
    const Rect part = cropped();
    const std::int64_t right = std::int64_t{part.width} - 1;
    const std::int64_t below = std::int64_t{part.height} - 1;
    std::array<std::int64_t, 2> at{x, y};
    switch (transform) {
      case Transform::Normal: break;
      case Transform::Rot90: at = {y, below - x}; break;
      case Transform::Rot180: at = {right - x, below - y}; break;
      case Transform::Rot270: at = {right - y, x}; break;
      case Transform::Flipped: at = {right - x, y}; break;
      case Transform::Flipped90: at = {y, x}; break;
      case Transform::Flipped180: at = {x, below - y}; break;
      case Transform::Flipped270: at = {right - y, below - x}; break;
    }
    return ReferencePicture(image, colour).at(part.x + at[0], part.y + at[1]);
  }
  /// The picture at a pixel of its box, its colours times alpha: the mean of the area that it covers when it shrinks,
  /// linear between pixels when it grows.
  [[nodiscard]] Rgba pixel(std::int64_t x, std::int64_t y) const {
    struct Tap {
      std::int64_t at;
      double weight;
    };
    // One that is a pixel off is not filtered: it loses its edge, or has it twice.
    const auto near = [](std::uint32_t a, std::uint32_t b) { return a <= b + 1 && b <= a + 1; };
    const bool same = near(shown().width, place.box.width) && near(shown().height, place.box.height);
    if (same) {
      Rgba p = turned(std::min(x, std::int64_t{shown().width} - 1), std::min(y, std::int64_t{shown().height} - 1));
      for (std::size_t i = 0; i < 3; ++i) p.at(i) *= p[3];
      return p;
    }
    const auto taps = [](std::int64_t index, std::uint32_t from, std::uint32_t to) {
      std::vector<Tap> all;
      const double ratio = static_cast<double>(from) / to;
      const double middle = (static_cast<double>(index) + 0.5) * ratio;
      const double half = 0.5 * std::max(ratio, 1.0);
      for (auto at = static_cast<std::int64_t>(std::floor(middle - half)); static_cast<double>(at) < middle + half;
           ++at) {
        const double low = std::max(static_cast<double>(at), middle - half);
        const double high = std::min(static_cast<double>(at) + 1, middle + half);
        all.push_back({std::clamp<std::int64_t>(at, 0, std::int64_t{from} - 1), (high - low) / (2 * half)});
      }
      return all;
    };
    Rgba sum{};
    for (const Tap& row : taps(y, shown().height, place.box.height)) {
      for (const Tap& column : taps(x, shown().width, place.box.width)) {
        const Rgba p = turned(column.at, row.at);
        for (std::size_t i = 0; i < 3; ++i) sum.at(i) += row.weight * column.weight * p.at(i) * p[3];
        sum[3] += row.weight * column.weight * p[3];
      }
    }
    return sum;
  }
  [[nodiscard]] double inside(std::int64_t x, std::int64_t y) const {
    const double radius = std::min({place.radius, place.box.width / 2, place.box.height / 2});
    const double px = static_cast<double>(x) + 0.5;
    const double py = static_cast<double>(y) + 0.5;
    const double from_x = std::min(px, place.box.width - px);
    const double from_y = std::min(py, place.box.height - py);
    if (from_x >= radius || from_y >= radius) return 1;
    return std::clamp(radius + 0.5 - std::hypot(radius - from_x, radius - from_y), 0.0, 1.0);
  }
};

/// The whole picture: `main` fills `box` of the surface, black is beside it.
struct ReferenceScene {
  SurfaceFormat surface = {};
  SceneLayer main = {};
  std::vector<SceneLayer> layers = {};

  /// `of_main`: whether the main picture (its edge, beyond it) lies there, or a bar.
  [[nodiscard]] Rgb rgb(std::int64_t x, std::int64_t y, bool of_main) const {
    Rgb c{};
    if (of_main) {
      const Rect& box = main.place.box;
      const Rgba p = main.pixel(std::clamp<std::int64_t>(x - box.x, 0, std::int64_t{box.width} - 1),
                                std::clamp<std::int64_t>(y - box.y, 0, std::int64_t{box.height} - 1));
      std::copy_n(p.begin(), 3, c.begin());
    }
    for (const SceneLayer& layer : layers) {
      const std::int64_t lx = x - layer.place.box.x;
      const std::int64_t ly = y - layer.place.box.y;
      if (lx < 0 || ly < 0 || lx >= layer.place.box.width || ly >= layer.place.box.height) continue;
      const Rgba p = layer.pixel(lx, ly);
      const double cover = layer.place.opacity / 255.0 * layer.inside(lx, ly);
      for (std::size_t i = 0; i < 3; ++i) c.at(i) = c.at(i) * (1 - p[3] * cover) + p.at(i) * cover;
    }
    return c;
  }

  /// The largest difference of a sample from what it has to be, in code values of the surface. `components`: 1: luma
  /// alone.
  [[nodiscard]] double worst(const YuvView& got, unsigned components = 3) const {
    const unsigned bits = info(surface.format).bits;
    const auto width = static_cast<std::int64_t>(surface.size.width);
    const auto height = static_cast<std::int64_t>(surface.size.height);
    const auto in_main = [&](std::int64_t x, std::int64_t y) {
      const Rect& box = main.place.box;
      return x >= box.x && y >= box.y && x < box.x + std::int64_t{box.width} && y < box.y + std::int64_t{box.height};
    };
    double found = 0;
    const auto note = [&](unsigned component, std::int64_t x, std::int64_t y, const Rgb& c) {
      const int is = sample(got, component, static_cast<std::size_t>(x), static_cast<std::size_t>(y));
      const double off = std::abs(is - component_of(c, component, surface.colour, bits));
      if (off > found) {
        found = off;
        where = {component, static_cast<unsigned>(x), static_cast<unsigned>(y)};
      }
    };
    const bool halved = info(surface.format).chroma_shift_x != 0;
    std::vector<Rgb> pixels;
    pixels.reserve(surface.size.area());
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        pixels.push_back(rgb(x, y, in_main(x, y)));
        for (unsigned c = 0; c < (halved ? 1 : components); ++c) note(c, x, y, pixels.back());
      }
    }
    if (!halved || components == 1) return found;
    for (std::int64_t y = 0; y < height; y += 2) {
      for (std::int64_t x = 0; x < width; x += 2) {
        const bool of_main = in_main(x, y);
        Rgb sum{};
        for (const std::int64_t row : {y, std::min(y + 1, height - 1)}) {
          for (const auto& [column, weight] : {std::pair{std::max<std::int64_t>(x - 1, 0), 1.0}, std::pair{x, 2.0},
                                               std::pair{std::min(x + 1, width - 1), 1.0}}) {
            const Rgb c = in_main(column, row) == of_main ? pixels.at(static_cast<std::size_t>(row * width + column))
                                                          : rgb(column, row, of_main);
            for (std::size_t i = 0; i < 3; ++i) sum.at(i) += c.at(i) * weight / 8;
          }
        }
        note(1, x / 2, y / 2, sum);
        note(2, x / 2, y / 2, sum);
      }
    }
    return found;
  }
  mutable std::array<unsigned, 3> where{};  ///< component, x, y of what worst() found
};

/// `main` where an importer places it.
inline ReferenceScene scene_of(const HostImage& main, const SurfaceFormat& surface,
                               std::vector<SceneLayer> layers = {}) {
  const Size size = main.size;
  const Rect box = size == surface.size ? Rect{0, 0, size.width, size.height} : letterbox(size, surface.size);
  return {.surface = surface, .main = {.image = main, .place = {.box = box}}, .layers = std::move(layers)};
}

/// What an importer is given to draw it. `dmabuf`: where its picture is, too, and is to be read.
inline Layer layer_of(std::uint32_t id, const SceneLayer& layer, std::shared_ptr<const Dmabuf> dmabuf = nullptr) {
  auto frame = std::make_shared<Frame>();
  if (dmabuf) {
    frame->image = std::move(dmabuf);
  } else {
    frame->image = layer.image;
  }
  frame->crop = layer.crop;
  frame->transform = layer.transform;
  frame->colour = layer.colour;
  frame->damage = Damage::all();
  return {.id = id, .place = layer.place, .picture = std::move(frame)};
}

}  // namespace zc::test
