#pragma once

#include "base/error.h"
#include "media/layer.h"
#include "media/surface.h"
#include "zerocopy/cpu/layer_picture.h"
#include "zerocopy/cpu/rgb_to_yuv.h"
#include "zerocopy/cpu/yuv_planes.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace zc {

/// Draws layers onto finished YUV pictures, where something has changed. Their own pictures are converted once each;
/// what covers everything beneath is copied, the rest blended in 4:4:4 with more bits than the surface has, and
/// subsampled then. YUV is affine in RGB, so that is what blending before the conversion gives. One thread.
class LayerPainter {
 public:
  /// What is beneath the layers, as RGB, where it has just been converted without scaling.
  struct Beneath {
    RgbView pixels;
    Rect content;  ///< of the surface: where they are
    Rect box;      ///< which the content's last column and row fill up
    RgbToYuv to_i410;
  };
  /// Calls `read` with a frame's pixels, which are readable meanwhile.
  using Read = std::function<Result<void>(const HostImage& image)>;
  using Open = std::function<Result<void>(const Frame& frame, const Read& read)>;

  /// The surfaces' format from now on. Layers stay, and have to be drawn anew.
  void configure(const SurfaceFormat& target);
  void set_layers(std::vector<Layer> layers) {
    wanted_ = std::move(layers);
    dirty_ = true;
  }

  /// Makes what was set last the present layers: where the surface changes by that (surface px, chroma-aligned), which
  /// is to be painted sooner or later. One whose picture cannot be read is left out.
  [[nodiscard]] Damage update(const Open& open);
  [[nodiscard]] bool any() const { return !layers_.empty(); }

  /// `area` of the surface holds the picture without layers: draws them there.
  void paint(const YuvView& surface, const Damage& area, const Beneath* beneath);
  /// `area` (of every update() since) of the surface holds the layers as they were painted last, above the same
  /// picture: draws them as they are now.
  void repaint(const YuvView& surface, const Damage& area);
  /// Where repaint() did not have what is beneath as precisely as paint() has, since the last call.
  [[nodiscard]] Damage take_imprecise() { return std::exchange(imprecise_, Damage::none()); }

 private:
  /// A layer with a picture.
  struct Drawn {
    Layer layer;
    Rect reach;               ///< of the surface, chroma-aligned: what it may change; empty: nothing is to be seen
    bool stale = false;       ///< `pixels` is to be made anew
    bool moved = false;       ///< since it was painted: what is beneath its edges is not in deep_ yet
    bool overlapped = false;  ///< by another one above
    bool failed = false;      ///< the last picture could not be read
    LayerPicture pixels;
  };
  /// Code values of 10 bits of a part of a row, the pixel left of it first.
  struct Row {
    std::array<std::vector<float>, 3> samples;
    std::vector<float> cover;  ///< the most that a layer covers, 0 to 1
  };
  /// From 10 bits to the surface's code values.
  struct Narrow {
    float down = 1, add = 0, most = 255;
    unsigned shift = 0;
    template <class Sample>
    [[nodiscard]] Sample to(float deep) const {
      return static_cast<Sample>(static_cast<unsigned>(std::min(deep * down + add, most)) << shift);
    }
  };

  [[nodiscard]] Rect reach_of(const LayerPlace& place) const;
  /// The reach and what else of the picture beneath is read to draw there, or repeated into an odd picture's last
  /// pixels.
  [[nodiscard]] Rect held(const Rect& reach) const;
  /// A part of the surface with the pixels left of it that its chroma is made from.
  [[nodiscard]] Rect with_left(const Rect& part) const;
  /// Takes the present layers' places over; true: their order is another one.
  bool adopt_order();
  void find_overlaps();
  void make(Drawn& drawn, const Open& open);
  /// Calls `visit` with the parts of `part` that the layers from `first` on hide (true), and with the others.
  template <class Visit>
  void divide(const Rect& part, const Visit& visit, std::size_t first = 0) const;
  void keep_beneath(const YuvView& surface, const Damage& area);
  /// The present layers lie where they were painted last, and nothing else does.
  [[nodiscard]] bool stand_still() const;
  /// `rect` is a few columns wide; the topmost of `count` layers hides what is beneath it in its rows, and no other is
  /// there.
  [[nodiscard]] bool is_strip(const Rect& rect, std::size_t count) const;
  void drawn();
  void compose(const YuvView& surface, const Damage& area);
  /// Draws the lowest `count` layers into `rect`, chroma-aligned as all parts of the surface here.
  void compose(const YuvView& surface, const Rect& rect, std::size_t count);
  void blend(const YuvView& surface, const Rect& rect, std::size_t count);
  /// is_strip(): what blend() makes of it.
  template <class Sample>
  void blend_strip(const YuvView& surface, const Rect& rect, const Drawn& top);
  void load(Row& row, const Rect& rect, std::int32_t y, std::size_t count);
  template <class Sample>
  void write(const YuvView& surface, const Rect& rect, std::int32_t y, std::size_t rows) const;
  template <class Sample>
  void write_chroma(const YuvView& surface, const Rect& rect, std::int32_t y) const;

  SurfaceFormat target_;
  YuvLayout layout_;
  std::vector<Layer> wanted_;
  bool dirty_ = false;
  std::vector<std::unique_ptr<Drawn>> layers_;  ///< lowest first
  std::vector<std::unique_ptr<Drawn>> before_;  ///< while update() is at work
  std::vector<Rect> held_drawn_;                ///< of the layers that were painted last: beneath_ is good there
  YuvPlanes beneath_;                           ///< the picture without layers, where there are any
  YuvPlanes deep_;                              ///< the same as I410, where layers are blended
  std::array<Row, 2> rows_;
  std::vector<float> cover_;  ///< of one layer
  DeepScale scale_;
  std::array<Narrow, 2> narrow_;  ///< of luma, G, B and R; of chroma
  Damage imprecise_ = Damage::none();
};

}  // namespace zc
