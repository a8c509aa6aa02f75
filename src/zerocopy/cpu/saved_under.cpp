#include "zerocopy/cpu/saved_under.h"

#include <algorithm>
#include <cstring>

namespace zc {
namespace {

/// Calls `copy(plane row, stored bytes, count)` for every row of the rectangle.
template <class Copy>
void for_each_row(const YuvView& view, const Rect& rect, std::size_t* offset, Copy copy) {
  const YuvView part = view.part(rect);
  for (unsigned plane = 0; plane < info(view.format).planes; ++plane) {
    const std::size_t bytes = row_bytes(view.format, plane, rect.width);
    const std::size_t rows = plane_height(view.format, plane, rect.height);
    for (std::size_t y = 0; y < rows; ++y) {
      copy(part.planes.at(plane).data + y * part.planes.at(plane).stride_bytes, *offset, bytes);
      *offset += bytes;
    }
  }
}

std::size_t bytes_of(PixelFormat format, Size size) {
  std::size_t bytes = 0;
  for (unsigned plane = 0; plane < info(format).planes; ++plane) {
    bytes += row_bytes(format, plane, size.width) * plane_height(format, plane, size.height);
  }
  return bytes;
}

}  // namespace

void SavedUnder::reserve(PixelFormat format, Size size) {
  const std::size_t bytes = bytes_of(format, size);
  if (samples_.size() < bytes) samples_.resize(bytes);
}

void SavedUnder::save(const YuvView& view, const Rect& rect) {
  rect_ = rect;
  if (rect.empty()) return;
  reserve(view.format, rect.size());
  std::size_t offset = 0;
  for_each_row(view, rect, &offset, [this](const std::byte* row, std::size_t at, std::size_t count) {
    std::memcpy(samples_.data() + at, row, count);
  });
}

void SavedUnder::restore(const YuvView& view) const {
  if (rect_.empty()) return;
  std::size_t offset = 0;
  for_each_row(view, rect_, &offset, [this](std::byte* row, std::size_t at, std::size_t count) {
    std::memcpy(row, samples_.data() + at, count);
  });
}

}  // namespace zc
