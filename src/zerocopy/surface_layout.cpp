#include "zerocopy/surface_layout.h"

namespace zc {

SurfaceLayout surface_layout(PixelFormat format, Size size, std::size_t alignment) {
  SurfaceLayout layout;
  layout.format = format;
  layout.size = size;
  for (unsigned i = 0; i < info(format).planes; ++i) {
    SurfaceLayout::Plane& plane = layout.planes.at(i);
    plane.stride_bytes = (row_bytes(format, i, size.width) + alignment - 1) / alignment * alignment;
    plane.offset_bytes = layout.bytes;
    layout.bytes += plane.stride_bytes * plane_height(format, i, size.height);
  }
  return layout;
}

}  // namespace zc
