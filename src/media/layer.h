// Pictures that lie above the main one.
#pragma once

#include "media/frame.h"
#include "media/geometry.h"

#include <cstdint>
#include <memory>

namespace zc {

/// Where a layer's picture goes, and how.
struct LayerPlace {
  /// px of the surface, which it may reach beyond. The picture fills it (whoever places it keeps the aspect ratio).
  Rect box;
  std::uint8_t opacity = 255;  ///< 0: not to be seen
  /// px: of the box's rounded corners; at most half its shorter edge, in whole px. In a corner's square a pixel counts
  /// for radius + 0.5 less the distance of its middle from the circle's middle, between 0 and 1.
  std::uint32_t radius = 0;
  bool operator==(const LayerPlace&) const = default;
};

/// One layer at one moment. The composed picture is, pixel by pixel and before the conversion to YUV, what lies beneath
/// times (1 - a) plus the layer's pixel times a; `a` is the opacity times the pixel's own alpha, where its format has
/// one (straight, not premultiplied), times how much of the pixel is inside the rounded box.
struct Layer {
  std::uint32_t id = 0;  ///< stays the same while the layer lives
  LayerPlace place;
  /// The newest picture, shared with whoever keeps it until the next one comes; its crop and transform apply. The same
  /// object is the same picture. Null: nothing is to be seen.
  std::shared_ptr<const Frame> picture;
};

}  // namespace zc
