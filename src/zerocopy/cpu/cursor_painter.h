#pragma once

#include "base/error.h"
#include "media/frame.h"
#include "media/surface.h"
#include "zerocopy/cpu/rgb_to_yuv.h"
#include "zerocopy/cpu/yuv_view.h"
#include "zerocopy/picture_plan.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace zc {

/// Where which cursor shape goes on a surface. Equal placements look the same.
struct CursorPlacement {
  std::uint64_t shape = 0;  ///< 0: no cursor to be seen
  Rect rect;                ///< surface px; may reach outside
  bool operator==(const CursorPlacement&) const = default;
};

/// What a pixel of the cursor adds to a sample and how much of the sample it keeps. `y`, `u`, `v` without offset, with
/// CursorInks::fraction bits behind the point; `keep` = 1 - alpha, 1 << kCursorKeepBits = 1.
struct CursorInk {
  std::int16_t y, u, v;
  std::uint16_t keep;
};
inline constexpr int kCursorKeepBits = 15;

/// A shape, converted and scaled: rows of size.width inks without padding.
struct CursorInks {
  std::span<const CursorInk> inks;
  Size size;  ///< px
  unsigned fraction = 0;
};

/// Draws the pointer onto finished YUV pictures. YUV is affine in RGB, so blending with premultiplied alpha gives the
/// same luma (and 4:4:4 chroma) there as blending before the conversion; 4:2:0 chroma takes the cursor's colour and
/// cover through the same filter as the picture's. A shape is converted once, then drawn with integers. One thread.
class CursorPainter {
 public:
  /// The pictures' format from now on.
  void configure(const SurfaceFormat& target);

  /// Where the cursor goes, preparing its shape when that, the scale or the orientation has changed. An invisible or
  /// malformed cursor, or one outside the picture, has shape 0.
  [[nodiscard]] Result<CursorPlacement> place(const std::optional<CursorState>& cursor, const PicturePlan& plan);

  /// The part of the surface that draw() may change: chroma-aligned, empty when there is nothing to draw.
  [[nodiscard]] Rect reach(const CursorPlacement& placement, const PicturePlan& plan) const;
  /// Draws the shape prepared by the last place(), clipped to the plan's box.
  void draw(const CursorPlacement& placement, const PicturePlan& plan, const YuvView& surface) const;

  /// The shape prepared by the last place(), for whoever draws it elsewhere.
  [[nodiscard]] CursorInks inks() const { return {inks_, size_, fraction_}; }

 private:
  struct ShapeKey {
    std::shared_ptr<const CursorBitmap> bitmap;
    Transform transform = Transform::Normal;
    Size shown, box;  ///< their ratio is the scale
    bool operator==(const ShapeKey&) const = default;
  };

  [[nodiscard]] Result<void> prepare(const ShapeKey& key);
  void scale_to_inks(const RgbView& pixels, const RgbFields& fields);
  [[nodiscard]] const CursorInk& ink(std::int64_t x, std::int64_t y) const;
  template <class Sample>
  void draw_samples(const CursorPlacement& placement, const Rect& clip, const YuvView& surface) const;

  SurfaceFormat target_;
  YuvLayout layout_;
  unsigned fraction_ = 0;
  ShapeKey key_;
  std::uint64_t shape_ = 0;
  Size size_;  ///< px, of the prepared shape
  std::vector<CursorInk> inks_;
  std::vector<std::byte> turned_;
  std::vector<float> columns_;  ///< the shape scaled across, on the way to scaled both ways
};

}  // namespace zc
