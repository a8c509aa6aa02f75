#pragma once

#include "base/error.h"
#include "zerocopy/cpu/rgb_rows.h"
#include "zerocopy/cpu/yuv_view.h"

namespace zc {

/// 32-bit RGB pixels in memory, as a view.
struct RgbView {
  const std::byte* data = nullptr;  ///< any alignment
  std::size_t stride_bytes = 0;     ///< the last row need not be longer than size.width * 4
  Size size;                        ///< px
};

/// One conversion, chosen once per stream. 4:2:0 chroma is sited left, as H.264, HEVC and AV1 assume when nothing is
/// said (MPEG-2 siting: on even luma columns, between two rows), by a 1-2-1 filter across and the mean of two rows.
/// Beyond the picture's edge the edge pixel counts on. Immutable; any thread.
class RgbToYuv {
 public:
  /// An empty one converts nothing.
  RgbToYuv() = default;
  explicit operator bool() const { return rows_ != nullptr; }

  /// Unsupported for a source that is not RGB or a target that yuv_layout() does not know.
  [[nodiscard]] static Result<RgbToYuv> create(PixelFormat source, PixelFormat target, const ColourDescription& colour,
                                               Isa isa = best_isa());

  /// Converts `area` of the picture to the same place of `target`, whose origin is the picture's; reads and writes
  /// nothing outside (but for the pixel column left of the area). chroma_reach() makes such an area from changed
  /// pixels. For 4:2:0 the area's origin is even, and its size too unless it ends at the picture's edge.
  void convert(const RgbView& picture, const Rect& area, const YuvView& target) const;
  void convert(const RgbView& picture, const YuvView& target) const {
    convert(picture, {0, 0, picture.size.width, picture.size.height}, target);
  }

 private:
  RgbToYuv(const YuvCoefficients& coefficients, RgbRowFunction rows, const YuvLayout& layout)
      : coefficients_(coefficients), rows_(rows), layout_(layout) {}

  template <class Sample>
  void convert_strip(const RgbView& picture, const Rect& area, const YuvView& target) const;

  YuvCoefficients coefficients_;
  RgbRowFunction rows_ = nullptr;
  YuvLayout layout_;
};

}  // namespace zc
