#include "capture/picture_copies.h"

#include "media/pixel_format.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace zc {
namespace {

constexpr std::size_t kRowAlignment = 64;  ///< what vector code likes

std::size_t aligned(std::uint64_t bytes) { return (bytes + kRowAlignment - 1) / kRowAlignment * kRowAlignment; }

}  // namespace

bool PictureCopies::take_over(Frame& frame) {
  auto* const image = std::get_if<HostImage>(&frame.image);
  if (image == nullptr) return true;
  auto* const free = std::ranges::find_if(
      slots_, [](const auto& one) { return one == nullptr || !one->lent.load(std::memory_order_acquire); });
  if (free == slots_.end()) return false;
  if (*free == nullptr) *free = std::make_shared<Slot>();
  Slot& slot = **free;

  const auto planes = info(image->format).planes;
  std::size_t length = 0;
  for (unsigned plane = 0; plane < planes; ++plane) {
    length += aligned(row_bytes(image->format, plane, image->size.width)) *
              plane_height(image->format, plane, image->size.height);
  }
  slot.bytes.resize(length);
  HostImage copy{.format = image->format, .size = image->size, .planes = {}, .mapping = *free};
  std::byte* to = slot.bytes.data();
  for (unsigned plane = 0; plane < planes; ++plane) {
    const std::size_t bytes = row_bytes(image->format, plane, image->size.width);
    const HostImage::Plane& from = image->planes.at(plane);
    copy.planes.at(plane) = {.data = to, .stride_bytes = static_cast<std::uint32_t>(aligned(bytes))};
    for (std::uint32_t y = 0; y < plane_height(image->format, plane, image->size.height); ++y) {
      std::memcpy(to, from.data + std::size_t{y} * from.stride_bytes, bytes);
      to += aligned(bytes);
    }
  }
  slot.lent.store(true, std::memory_order_relaxed);
  frame.image = std::move(copy);
  frame.lease = BufferLease(*free, nullptr, [](void* one, void* /*token*/) noexcept {
    static_cast<Slot*>(one)->lent.store(false, std::memory_order_release);
  });
  const auto lent = std::ranges::count_if(
      slots_, [](const auto& one) { return one != nullptr && one->lent.load(std::memory_order_relaxed); });
  frame.spare = static_cast<std::uint32_t>(kMost - static_cast<std::size_t>(lent));
  return true;
}

}  // namespace zc
