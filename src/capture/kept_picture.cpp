#include "capture/kept_picture.h"

#include <cstring>

namespace zc {
namespace {

constexpr std::size_t kPixel = 4;  // bytes

}  // namespace

KeptPicture::KeptPicture(Size size) { make(size); }

void KeptPicture::make(Size size) {
  size_ = size;
  pixels_ = std::make_shared<std::byte[]>(size.area() * kPixel);
}

void KeptPicture::blacken() {
  if (!empty()) std::memset(pixels_.get(), 0, size_.area() * kPixel);
}

Damage KeptPicture::keep(const Frame& frame) {
  const auto& image = std::get<HostImage>(frame.image);
  const Rect whole{0, 0, image.size.width, image.size.height};
  const Rect visible = frame.crop.empty() ? whole : intersect(frame.crop, whole);
  if (visible.empty()) return Damage::none();
  Damage news = Damage::none();
  if (visible != visible_ || visible.size() != size_ || frame.transform != transform_ || frame.damage.everything()) {
    news = Damage::all();
  }
  if (visible.size() != size_) make(visible.size());
  visible_ = visible;
  transform_ = frame.transform;

  const HostImage::Plane& plane = image.planes[0];
  const auto copy = [&](const Rect& from) {
    for (std::uint32_t row = 0; row < from.height; ++row) {
      const auto y = static_cast<std::size_t>(from.y) + row;
      const auto to =
          (y - static_cast<std::size_t>(visible.y)) * size_.width + static_cast<std::size_t>(from.x - visible.x);
      std::memcpy(pixels_.get() + to * kPixel,
                  plane.data + y * plane.stride_bytes + static_cast<std::size_t>(from.x) * kPixel,
                  std::size_t{from.width} * kPixel);
    }
  };
  if (news.everything()) {
    copy(visible);
    return news;
  }
  for (const Rect& rect : frame.damage.rects()) {
    const Rect changed = intersect(rect, visible);
    if (changed.empty()) continue;
    copy(changed);
    news.add(Rect{changed.x - visible.x, changed.y - visible.y, changed.width, changed.height});
  }
  return news;
}

HostImage KeptPicture::image(PixelFormat format) const {
  HostImage image{.format = format, .size = size_, .planes = {}, .mapping = pixels_};
  image.planes[0] = {.data = pixels_.get(), .stride_bytes = static_cast<std::uint32_t>(size_.width * kPixel)};
  return image;
}

}  // namespace zc
