#include "media/geometry.h"

#include <algorithm>

namespace zc {

Rect intersect(const Rect& a, const Rect& b) {
  const std::int64_t x0 = std::max<std::int64_t>(a.x, b.x);
  const std::int64_t y0 = std::max<std::int64_t>(a.y, b.y);
  const std::int64_t x1 = std::min<std::int64_t>(std::int64_t{a.x} + a.width, std::int64_t{b.x} + b.width);
  const std::int64_t y1 = std::min<std::int64_t>(std::int64_t{a.y} + a.height, std::int64_t{b.y} + b.height);
  if (x1 <= x0 || y1 <= y0) return {};
  return {static_cast<std::int32_t>(x0), static_cast<std::int32_t>(y0), static_cast<std::uint32_t>(x1 - x0),
          static_cast<std::uint32_t>(y1 - y0)};
}

Rect bounding(const Rect& a, const Rect& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  const std::int64_t x0 = std::min(a.x, b.x);
  const std::int64_t y0 = std::min(a.y, b.y);
  const std::int64_t x1 = std::max(std::int64_t{a.x} + a.width, std::int64_t{b.x} + b.width);
  const std::int64_t y1 = std::max(std::int64_t{a.y} + a.height, std::int64_t{b.y} + b.height);
  constexpr std::int64_t kMax = 0xffffffff;
  return {static_cast<std::int32_t>(x0), static_cast<std::int32_t>(y0),
          static_cast<std::uint32_t>(std::min(x1 - x0, kMax)), static_cast<std::uint32_t>(std::min(y1 - y0, kMax))};
}

Rect letterbox(Size content, Size frame) {
  if (content.empty() || frame.empty()) return {};
  const std::uint64_t wide = std::uint64_t{content.width} * frame.height;
  const std::uint64_t tall = std::uint64_t{content.height} * frame.width;
  if (wide == tall) return {0, 0, frame.width, frame.height};
  std::uint64_t width = frame.width;
  std::uint64_t height = frame.height;
  if (wide > tall) {
    height = (tall + content.width / 2) / content.width;
  } else {
    width = (wide + content.height / 2) / content.height;
  }
  // One or two pixels off the frame is rounding (1366 in 1368), not another aspect ratio: fill the frame.
  if (frame.width - width <= 2 && frame.height - height <= 2) return {0, 0, frame.width, frame.height};
  width = std::max<std::uint64_t>(width & ~std::uint64_t{1}, std::min<std::uint64_t>(2, frame.width));
  height = std::max<std::uint64_t>(height & ~std::uint64_t{1}, std::min<std::uint64_t>(2, frame.height));
  const auto x = static_cast<std::int32_t>(((frame.width - width) / 2) & ~std::uint64_t{1});
  const auto y = static_cast<std::int32_t>(((frame.height - height) / 2) & ~std::uint64_t{1});
  return {x, y, static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)};
}

Rect shown_rect(Transform transform, Size size, const Rect& rect) {
  const auto [x, y, w, h] = rect;
  const std::int32_t right = static_cast<std::int32_t>(size.width) - x - static_cast<std::int32_t>(w);
  const std::int32_t below = static_cast<std::int32_t>(size.height) - y - static_cast<std::int32_t>(h);
  switch (transform) {
    case Transform::Normal: return rect;
    case Transform::Rot90: return {below, x, h, w};  // turned clockwise
    case Transform::Rot180: return {right, below, w, h};
    case Transform::Rot270: return {y, right, h, w};  // turned counter-clockwise
    case Transform::Flipped: return {right, y, w, h};
    case Transform::Flipped90: return {y, x, h, w};  // transposed
    case Transform::Flipped180: return {x, below, w, h};
    case Transform::Flipped270: return {below, right, h, w};
  }
  return rect;
}

Rect source_rect(Transform transform, Size size, const Rect& rect) {
  const Size shown = swaps_axes(transform) ? Size{size.height, size.width} : size;
  // Every orientation undoes itself, but for the two quarter turns, which undo each other.
  Transform reverse = transform;
  if (transform == Transform::Rot90) reverse = Transform::Rot270;
  if (transform == Transform::Rot270) reverse = Transform::Rot90;
  return shown_rect(reverse, shown, rect);
}

}  // namespace zc
