#include "capture/desktop_picture.h"

#include "capture/region.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace zc {
namespace {

constexpr std::uint32_t kPixel = 4;          // bytes
constexpr std::uint32_t kStrideStep = 64;    // bytes
constexpr std::uint32_t kMostEdge = 16'384;  // px: what video encoders take at most

Size shown_size(Size size, Transform transform) { return swaps_axes(transform) ? Size{size.height, size.width} : size; }

/// `at` logical px of `length`, in a picture's `px`; the same for the end of one output and the beginning of the next.
std::int32_t edge(std::int64_t at, std::uint32_t length, std::uint32_t px) {
  return static_cast<std::int32_t>((at * px + length / 2) / length);
}

}  // namespace

void DesktopPicture::show(std::size_t output, HostImage image, BufferLease lease, Transform transform,
                          const Damage& damage) {
  Part& part = parts_.at(output);
  const bool other = image.size != part.image.size || transform != part.transform;
  part.image = std::move(image);
  part.lease = std::move(lease);
  part.transform = transform;
  if (other) {
    complete_ = std::ranges::none_of(parts_, [](const Part& one) { return one.image.size.empty(); });
    if (complete_) lay_out();
    return;
  }
  if (!complete_) return;
  const Damage news = placed(part, damage);
  fresh_.add(news);
  for (Canvas& canvas : canvases_) canvas.stale.add(news);
}

void DesktopPicture::lay_out() {
  double scale = 0;
  for (const Part& part : parts_) {
    const Size shown = shown_size(part.image.size, part.transform);
    scale = std::max(scale, static_cast<double>(shown.width) / part.place.width);
  }
  const auto px = [&](std::uint32_t logical) {
    return static_cast<std::uint32_t>(std::max<long>(1, std::lround(logical * scale)));
  };
  const Size size{px(region_.width), px(region_.height)};
  if (size != size_) canvases_.clear();  // what is lent lives on
  size_ = size;
  stride_bytes_ = (size_.width * kPixel + kStrideStep - 1) / kStrideStep * kStrideStep;
  for (Part& part : parts_) {
    const Size shown = shown_size(part.image.size, part.transform);
    part.from = region_in_picture(region_, part.place, shown);
    const Rect here = intersect(region_, part.place);
    const std::int64_t left = std::int64_t{here.x} - region_.x;
    const std::int64_t top = std::int64_t{here.y} - region_.y;
    const std::int32_t x = edge(left, region_.width, size_.width);
    const std::int32_t y = edge(top, region_.height, size_.height);
    part.to = {x, y, static_cast<std::uint32_t>(edge(left + here.width, region_.width, size_.width) - x),
               static_cast<std::uint32_t>(edge(top + here.height, region_.height, size_.height) - y)};
  }
  fresh_ = Damage::all();
  for (Canvas& canvas : canvases_) canvas.stale = Damage::all();
}

/// Where that is in the picture.
Damage DesktopPicture::placed(const Part& part, const Damage& damage) const {
  Damage there = Damage::none();
  if (damage.everything()) there.add(part.to);
  for (const Rect& rect : damage.rects()) {
    const Rect seen = intersect(shown_rect(part.transform, part.image.size, rect), part.from);
    if (seen.empty()) continue;
    // Outwards: from.width px of the output are to.width px here.
    const std::int64_t left = std::int64_t{seen.x - part.from.x} * part.to.width / part.from.width;
    const std::int64_t top = std::int64_t{seen.y - part.from.y} * part.to.height / part.from.height;
    const auto end = [](std::int64_t at, std::uint32_t from, std::uint32_t to) { return (at * to + from - 1) / from; };
    const std::int64_t right = end(std::int64_t{seen.x - part.from.x} + seen.width, part.from.width, part.to.width);
    const std::int64_t bottom = end(std::int64_t{seen.y - part.from.y} + seen.height, part.from.height, part.to.height);
    there.add(intersect({part.to.x + static_cast<std::int32_t>(left), part.to.y + static_cast<std::int32_t>(top),
                         static_cast<std::uint32_t>(right - left), static_cast<std::uint32_t>(bottom - top)},
                        part.to));
  }
  return there;
}

Result<DesktopPicture::Canvas*> DesktopPicture::take() {
  for (Canvas& canvas : canvases_) {
    if (!canvas.loan->out()) return &canvas;
  }
  if (canvases_.size() >= kCanvases) return nullptr;
  auto memory = PictureMemory::create(std::size_t{stride_bytes_} * size_.height);
  if (!memory) return std::unexpected(std::move(memory.error()));
  canvases_.reserve(kCanvases);  // the addresses stay
  canvases_.push_back({.memory = *std::move(memory), .loan = std::make_shared<Loan>(wake_)});
  return &canvases_.back();
}

Result<std::optional<Frame>> DesktopPicture::compose() {
  if (size_.width > kMostEdge || size_.height > kMostEdge) {
    return fail(
        ErrorKind::Unsupported, "put outputs side by side",
        fmt::format("the picture would be {}x{}, and {} px are the most", size_.width, size_.height, kMostEdge));
  }
  auto canvas = take();
  if (!canvas) return std::unexpected(std::move(canvas.error()));
  if (*canvas == nullptr) return std::optional<Frame>();
  Canvas& target = **canvas;
  const Rect whole{0, 0, size_.width, size_.height};
  const auto renew = [&](const Rect& rect) {
    for (const Part& part : parts_) copy(part, intersect(rect, part.to), target.memory.bytes.get());
  };
  // The first time a place without an output is black as the memory came.
  if (target.stale.everything()) renew(whole);
  for (const Rect& rect : target.stale.rects()) renew(rect);
  target.stale = Damage::none();

  Frame frame;
  HostImage image{.format = format_, .size = size_, .planes = {}, .mapping = target.memory.bytes};
  image.planes[0] = {.data = target.memory.bytes.get(), .stride_bytes = stride_bytes_};
  frame.image = std::move(image);
  frame.lease = Loan::begin(target.loan);
  const auto lent = std::ranges::count_if(canvases_, [](const Canvas& one) { return one.loan->out(); });
  frame.spare = static_cast<std::uint32_t>(kCanvases - static_cast<std::size_t>(lent));
  frame.damage = std::exchange(fresh_, Damage::none());
  return std::optional(std::move(frame));
}

void DesktopPicture::copy(const Part& part, const Rect& rect, std::byte* canvas) const {
  if (rect.empty() || part.from.empty()) return;
  const HostImage::Plane& plane = part.image.planes[0];
  const auto row_of = [&](std::int32_t y) { return canvas + static_cast<std::size_t>(y) * stride_bytes_; };
  const bool straight = part.transform == Transform::Normal && part.from.size() == part.to.size();
  if (straight) {
    const auto x = static_cast<std::size_t>(part.from.x + (rect.x - part.to.x));
    for (std::uint32_t row = 0; row < rect.height; ++row) {
      const std::int32_t y = rect.y + static_cast<std::int32_t>(row);
      const auto from_y = static_cast<std::size_t>(part.from.y + (y - part.to.y));
      std::memcpy(row_of(y) + static_cast<std::size_t>(rect.x) * kPixel,
                  plane.data + from_y * plane.stride_bytes + x * kPixel, std::size_t{rect.width} * kPixel);
    }
    return;
  }
  // Where the picture's pixels lie in the buffer: three of them tell, since it is a turn.
  const auto at = [&](std::int32_t x, std::int32_t y) {
    const Rect one = source_rect(part.transform, part.image.size, {x, y, 1, 1});
    return std::int64_t{one.y} * plane.stride_bytes + std::int64_t{one.x} * kPixel;
  };
  const std::int64_t origin = at(0, 0);
  const std::int64_t right = at(1, 0) - origin;
  const std::int64_t down = at(0, 1) - origin;
  const auto seen = [](std::int32_t here, std::int32_t to, std::uint32_t to_px, std::int32_t from,
                       std::uint32_t from_px) { return from + std::int64_t{here - to} * from_px / to_px; };
  for (std::uint32_t row = 0; row < rect.height; ++row) {
    const std::int32_t y = rect.y + static_cast<std::int32_t>(row);
    const std::byte* line =
        plane.data + origin + down * seen(y, part.to.y, part.to.height, part.from.y, part.from.height);
    std::byte* pixel = row_of(y) + static_cast<std::size_t>(rect.x) * kPixel;
    for (std::uint32_t column = 0; column < rect.width; ++column, pixel += kPixel) {
      const std::int32_t x = rect.x + static_cast<std::int32_t>(column);
      std::memcpy(pixel, line + right * seen(x, part.to.x, part.to.width, part.from.x, part.from.width), kPixel);
    }
  }
}

}  // namespace zc
