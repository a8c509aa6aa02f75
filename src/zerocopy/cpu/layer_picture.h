#pragma once

#include "base/error.h"
#include "media/layer.h"
#include "media/surface.h"
#include "zerocopy/cpu/deep_scale.h"
#include "zerocopy/cpu/picture_converter.h"
#include "zerocopy/cpu/yuv_planes.h"
#include "zerocopy/cpu/yuv_view.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace zc {

/// The parts of `all` outside of `inner`, which is inside it: above, below, left and right.
[[nodiscard]] std::array<Rect, 4> around(const Rect& all, const Rect& inner);

/// A layer's picture, cropped, turned, scaled to its box and converted: done once, drawn often. It is kept in the
/// surface's own format where it can be copied from there, and as I410 with straight alpha where it has to be blended
/// pixel by pixel: at its edges, or everywhere. One thread.
class LayerPicture {
 public:
  /// For surfaces of this format from now on; there is no picture.
  void configure(const SurfaceFormat& target);

  /// `image`: the frame's pixels, readable. `whole`: all of it may have to be blended, since something else is drawn
  /// over it. Errors as PictureConverter's; then there is no picture.
  [[nodiscard]] Result<void> make(const Frame& frame, const HostImage& image, const LayerPlace& place, bool whole);

  /// Where it covers what is beneath and can be copied: surface px, chroma-aligned; empty: nowhere.
  [[nodiscard]] const Rect& solid() const { return solid_; }
  /// Only its corners may let through what is beneath.
  [[nodiscard]] bool opaque() const { return alpha_.empty() && place_.opacity == 255; }
  /// Nothing beneath it is to be seen in the rows of `part` (surface px).
  [[nodiscard]] bool hides(const Rect& part) const;
  /// In the surface's format; its origin is the box's.
  [[nodiscard]] const YuvView& flat() const { return flat_.view(); }
  /// I410, likewise; good outside of solid(), or everywhere after make() with `whole`.
  [[nodiscard]] const YuvView& deep() const { return deep_.view(); }
  /// How much of what is beneath the pixels in the row `y` of the box, from `x` on, replace: `count` values of 0 to 1.
  void cover(std::uint32_t x, std::uint32_t y, std::size_t count, float* out) const;

 private:
  [[nodiscard]] Rect find_solid() const;
  [[nodiscard]] Result<void> make_opaque(const HostImage& image, bool whole);
  [[nodiscard]] Result<void> make_with_alpha(const HostImage& image);

  SurfaceFormat target_;
  LayerPlace place_;
  PicturePlan plan_;
  ColourDescription colour_;  ///< of the picture
  Rect solid_;
  PictureConverter to_flat_;
  PictureConverter to_deep_;
  YuvPlanes flat_;
  YuvPlanes deep_;
  std::vector<float> alpha_;  ///< 0 to 1, as large as the box; empty: opaque
  std::vector<std::byte> turned_;
  std::vector<float> columns_, row_;
};

}  // namespace zc
