#include "zerocopy/cpu/yuv_planes.h"

#include <array>

namespace zc {

const YuvView& YuvPlanes::reset(PixelFormat format, Size size) {
  if (view_.format == format && view_.size == size) return view_;
  view_ = {format, size, {}};
  constexpr std::size_t kAlignment = 64;
  std::array<std::size_t, 3> offsets{};
  std::size_t bytes = 0;
  for (unsigned i = 0; i < info(format).planes; ++i) {
    const std::size_t stride = (row_bytes(format, i, size.width) + kAlignment - 1) / kAlignment * kAlignment;
    view_.planes.at(i).stride_bytes = stride;
    offsets.at(i) = bytes;
    bytes += stride * plane_height(format, i, size.height);
  }
  if (memory_.size() < bytes + kAlignment) memory_.resize(bytes + kAlignment);
  for (unsigned i = 0; i < info(format).planes; ++i) view_.planes.at(i).data = memory_.data() + offsets.at(i);
  return view_;
}

}  // namespace zc
