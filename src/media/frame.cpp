#include "media/frame.h"

namespace zc {

void Damage::add(const Rect& rect) {
  if (everything_ || rect.empty()) return;
  if (count_ < kMaxRects) {
    rects_.at(count_++) = rect;
    return;
  }
  Rect box = rect;
  for (const Rect& r : rects_) box = bounding(box, r);
  rects_.front() = box;
  count_ = 1;
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
  return {};
}

PixelFormat Frame::format() const {
  if (const auto* host = std::get_if<HostImage>(&image)) return host->format;
  if (const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&image)) return (*dmabuf)->format;
  return PixelFormat::Unknown;
}

Size Frame::visible_size() const {
  Size size = buffer_size();
  if (!crop.empty()) size = intersect(crop, Rect{0, 0, size.width, size.height}).size();
  return swaps_axes(transform) ? Size{size.height, size.width} : size;
}

bool Frame::supersede(Frame&& older) {
  if (!cursor) cursor = std::move(older.cursor);
  if (!has_image()) {
    // Only cursor news here: the older picture is still the one to show, now with this cursor.
    image = std::move(older.image);
    lease = std::move(older.lease);
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
