#pragma once

#include "media/colour.h"
#include "media/pixel_format.h"
#include "zerocopy/cpu/yuv_view.h"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace zc {

/// Brings YUV pictures from the matrix and range that their source says (a JPEG: BT.601, full) to those of the surface.
/// Primaries and transfer function stay. A luma sample is changed by the chroma sample that lies over it; within one
/// code value of the real-valued conversion of that. One thread.
class YuvRecolour {
 public:
  /// What a source does not say is taken as the target's, or for RGB as BT.709 of limited range. nullopt: there is
  /// nothing to change. `target` names a matrix and a range; ColourMatrix::Rgb, whose components lie in the planes of a
  /// 4:4:4 picture (green, blue, red), only for such a format.
  [[nodiscard]] static std::optional<YuvRecolour> between(const ColourDescription& source,
                                                          const ColourDescription& target, PixelFormat format);
  /// Changes the picture where it lies. It has the format that this was made for.
  void apply(const YuvView& view);

 private:
  YuvRecolour() = default;
  template <class Sample>
  void run(const YuvView& view);
  template <class Sample>
  void run_rgb(const YuvView& view) const;

  PixelFormat format_ = PixelFormat::Unknown;
  // In fixed point, kShift fraction bits: of luma, Cb and Cr, and what is added.
  std::array<std::int32_t, 3> luma_{}, cb_{}, cr_{};
  std::int32_t luma_bias_ = 0, cb_bias_ = 0, cr_bias_ = 0;
  bool rgb_ = false;
  std::int32_t max_value_ = 0;
  unsigned value_shift_ = 0;
  std::vector<std::int32_t> added_;  ///< to each luma sample of a row
};

}  // namespace zc
