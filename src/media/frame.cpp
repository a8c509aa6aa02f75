#include "media/frame.h"

#include <algorithm>

namespace zc {

namespace {

bool contains(const Rect& outer, const Rect& inner) { return intersect(outer, inner) == inner; }

/// Pixels that only the merging of the two would add.
std::int64_t merge_cost(const Rect& a, const Rect& b) {
  return static_cast<std::int64_t>(bounding(a, b).size().area()) - static_cast<std::int64_t>(a.size().area()) -
         static_cast<std::int64_t>(b.size().area());
}

}  // namespace

void Damage::add(const Rect& rect) {
  if (everything_ || rect.empty()) return;
  Rect merged = rect;
  // Absorb what the new area covers or costs nothing to cover; the enlarged area may then reach further ones.
  for (std::size_t i = 0; i < count_;) {
    if (contains(rects_.at(i), merged)) return;
    if (merge_cost(rects_.at(i), merged) > 0) {
      ++i;
      continue;
    }
    merged = bounding(rects_.at(i), merged);
    rects_.at(i) = rects_.at(--count_);
    i = 0;
  }
  if (count_ < kMaxRects) {
    rects_.at(count_++) = merged;
    return;
  }
  auto* const cheapest =
      std::ranges::min_element(rects_, {}, [&merged](const Rect& r) { return merge_cost(r, merged); });
  *cheapest = bounding(*cheapest, merged);
}

void Damage::add(const Damage& other) {
  if (other.everything_) {
    *this = all();
    return;
  }
  for (const Rect& r : other.rects()) add(r);
}

Size Frame::buffer_size() const {
  if (const auto* host = std::get_if<HostImage>(&image)) return host->size;
  if (const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&image)) return (*dmabuf)->size;
  if (const auto* device = std::get_if<std::shared_ptr<const DeviceImage>>(&image)) return (*device)->size;
  if (const auto* coded = std::get_if<CodedImage>(&image)) return coded->size;
  return {};
}

PixelFormat Frame::format() const {
  if (const auto* host = std::get_if<HostImage>(&image)) return host->format;
  if (const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&image)) return (*dmabuf)->format;
  if (const auto* device = std::get_if<std::shared_ptr<const DeviceImage>>(&image)) return (*device)->format;
  return PixelFormat::Unknown;
}

Size Frame::visible_size() const {
  Size size = buffer_size();
  if (!crop.empty()) size = intersect(crop, Rect{0, 0, size.width, size.height}).size();
  return swaps_axes(transform) ? Size{size.height, size.width} : size;
}

// NOLINTNEXTLINE(cppcoreguidelines-rvalue-reference-param-not-moved): its members are, and the rest dies with it
bool Frame::supersede(Frame&& older) {
  if (!cursor) cursor = std::move(older.cursor);
  if (!has_image()) {
    // Only cursor news here: the older picture is still the one to show, now with this cursor.
    image = std::move(older.image);
    lease = std::move(older.lease);
    spare = older.spare;
    arrived = older.arrived;
    acquire = std::move(older.acquire);
    crop = older.crop;
    transform = older.transform;
    damage = older.damage;
    colour = older.colour;
    return false;
  }
  if (!older.has_image()) return false;
  damage.add(older.damage);
  return true;
}

}  // namespace zc
