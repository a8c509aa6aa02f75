// Where the planes of a surface are inside one piece of memory.
#pragma once

#include "media/geometry.h"
#include "media/pixel_format.h"

#include <array>
#include <cstddef>

namespace zc {

/// One allocation with all planes, in the order of the format.
struct SurfaceLayout {
  struct Plane {
    std::size_t offset_bytes = 0;
    std::size_t stride_bytes = 0;
    bool operator==(const Plane&) const = default;
  };
  PixelFormat format = PixelFormat::Unknown;
  Size size;  ///< px
  std::array<Plane, 3> planes;
  std::size_t bytes = 0;  ///< of the planes, padding inside them included
  bool operator==(const SurfaceLayout&) const = default;
};

/// Strides rounded up to `alignment` bytes (a power of two), planes packed behind one another: what NVENC expects of
/// one pitched allocation (chroma at luma's height) and what CPU encoders take. Planes of subsampled planar formats
/// have a stride of their own half.
[[nodiscard]] SurfaceLayout surface_layout(PixelFormat format, Size size, std::size_t alignment);

}  // namespace zc
