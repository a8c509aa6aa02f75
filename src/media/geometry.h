#pragma once

#include <compare>
#include <cstdint>

namespace zc {

struct Size {
  std::uint32_t width = 0;   ///< px
  std::uint32_t height = 0;  ///< px
  [[nodiscard]] constexpr bool empty() const { return width == 0 || height == 0; }
  [[nodiscard]] constexpr std::uint64_t area() const { return std::uint64_t{width} * height; }
  constexpr bool operator==(const Size&) const = default;
};

struct Point {
  std::int32_t x = 0;  ///< px, right
  std::int32_t y = 0;  ///< px, down
  constexpr bool operator==(const Point&) const = default;
};

struct Rect {
  std::int32_t x = 0;
  std::int32_t y = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  [[nodiscard]] constexpr bool empty() const { return width == 0 || height == 0; }
  [[nodiscard]] constexpr Size size() const { return {width, height}; }
  constexpr bool operator==(const Rect&) const = default;
};

/// The common area of two rectangles; empty when they do not touch. Safe for any foreign values.
[[nodiscard]] Rect intersect(const Rect& a, const Rect& b);
/// The smallest rectangle that holds both; an empty one counts as nothing.
[[nodiscard]] Rect bounding(const Rect& a, const Rect& b);
/// The largest rectangle with `content`'s aspect ratio, centred in `frame`, on even coordinates and even sizes
/// (chroma-aligned). Equals the whole frame when the aspect ratios agree.
[[nodiscard]] Rect letterbox(Size content, Size frame);

struct Rational {
  std::uint32_t num = 0;
  std::uint32_t den = 1;
  [[nodiscard]] constexpr bool zero() const { return num == 0 || den == 0; }
  [[nodiscard]] constexpr double value() const { return den == 0 ? 0.0 : static_cast<double>(num) / den; }
  constexpr bool operator==(const Rational&) const = default;
};

/// The orientation the producer gave its buffer (SPA_META_VideoTransform: "transformation that was applied to the
/// buffer", counter-clockwise degrees, "flipped" mirrors around the vertical axis first, then rotates; same numbering
/// as wl_output.transform). For display it is undone, as GStreamer, OBS and WebRTC do: Rot90 is shown turned 90 degrees
/// clockwise.
enum class Transform : std::uint8_t { Normal, Rot90, Rot180, Rot270, Flipped, Flipped90, Flipped180, Flipped270 };

/// True when width and height change places.
[[nodiscard]] constexpr bool swaps_axes(Transform t) { return (static_cast<unsigned>(t) & 1U) != 0; }

/// Where a rectangle of a picture (or of its cropped part) is shown once the transform is undone. `size` is the
/// picture's, before that.
[[nodiscard]] Rect shown_rect(Transform transform, Size size, const Rect& rect);
/// The reverse: which part of the picture is shown at `rect`.
[[nodiscard]] Rect source_rect(Transform transform, Size size, const Rect& rect);

}  // namespace zc
