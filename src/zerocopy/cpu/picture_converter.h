#pragma once

#include "base/error.h"
#include "media/frame.h"
#include "media/surface.h"
#include "zerocopy/cpu/planar_source.h"
#include "zerocopy/cpu/rgb_to_yuv.h"
#include "zerocopy/cpu/tone_mapper.h"
#include "zerocopy/cpu/yuv_planes.h"
#include "zerocopy/cpu/yuv_recolour.h"
#include "zerocopy/picture_plan.h"

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

namespace zc {

/// A picture's way into the box of a surface: crop, turn, convert, scale. Chosen once per plan; keeps its scratch
/// memory. One thread.
class PictureConverter {
 public:
  /// Unsupported for a source format that the CPU path cannot read.
  [[nodiscard]] Result<void> configure(const PicturePlan& plan, const SurfaceFormat& target);

  /// Every sample depends on nearby pixels only, so parts can be converted by themselves: RGB, upright, not scaled, not
  /// tone-mapped.
  [[nodiscard]] bool incremental() const;
  /// The area of the surface that `damage` (buffer px) changes; everything when incremental() is false.
  [[nodiscard]] Damage affected(const Damage& damage) const;

  /// When incremental(): the pixels that fill the plan's content.
  [[nodiscard]] RgbView pixels(const HostImage& image) const;
  /// Converts all of the picture into `box`, the plan's box of a surface.
  [[nodiscard]] Result<void> convert(const HostImage& image, const YuvView& box);
  /// Converts `area` (from affected(), surface px) into `surface`. Only when incremental().
  void convert(const HostImage& image, const Damage& area, const YuvView& surface) const;
  /// Likewise a part of it: whole chroma samples, and of a padded picture both a last column or row and what repeats
  /// it.
  void convert(const HostImage& image, const Rect& part, const YuvView& surface) const;

 private:
  [[nodiscard]] RgbView cropped(const HostImage& image) const;
  [[nodiscard]] Result<void> convert_rgb(const HostImage& image, const YuvView& target);
  [[nodiscard]] Result<void> convert_yuv(const HostImage& image, const YuvView& box);
  [[nodiscard]] Result<void> convert_camera(const HostImage& image, const YuvView& box);

  PicturePlan plan_;
  SurfaceFormat target_;
  bool subsampled_ = true;
  RgbToYuv rgb_;                                    ///< empty for YUV formats; into step_format_
  PixelFormat step_format_ = PixelFormat::Unknown;  ///< the target's, or its planar kin when scaling comes next
  std::optional<ToneMapper> tone_;
  std::optional<YuvRecolour> recolour_;  ///< of a YUV source whose matrix or range is not the surface's
  PlanarSource planar_;
  std::vector<std::byte> strip_;
  std::array<YuvPlanes, 4> scratch_;  ///< pictures between two steps
};

/// Checks what can be checked of a foreign image before the first pixel is read: known format, sane size, planes there,
/// strides at least a row. That the rows are really mapped is the source's promise. Invalid or Unsupported.
[[nodiscard]] Result<void> validate(const HostImage& image);

}  // namespace zc
