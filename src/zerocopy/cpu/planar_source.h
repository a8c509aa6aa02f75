#pragma once

#include "base/error.h"
#include "media/frame.h"
#include "zerocopy/cpu/yuv_planes.h"
#include "zerocopy/cpu/yuv_view.h"

#include <array>

namespace zc {

/// True for what decoders make beyond what cameras send: P010, I010, I444, I410.
[[nodiscard]] bool is_planar_source(PixelFormat format);

/// Brings such pictures into surfaces: crops, turns, scales, and changes depth and chroma. Numbers stay what they are,
/// but for the depth. Keeps its scratch memory. One thread.
class PlanarSource {
 public:
  /// `crop` of the picture, its origin even, fills `target`, which has the shown size after `transform`, or another one
  /// with `scaled`.
  [[nodiscard]] Result<void> convert(const HostImage& image, const Rect& crop, Transform transform, bool scaled,
                                     const YuvView& target);

 private:
  std::array<YuvPlanes, 3> scratch_;  ///< pictures between two steps
};

}  // namespace zc
