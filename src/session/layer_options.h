// What is to lie above the picture, where and how; see layers.h for what becomes of it.
#pragma once

#include "capture/source_spec.h"
#include "media/geometry.h"
#include "media/layer.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace zc {

/// A length: px, or a part of the surface's edge.
struct LayerLength {
  double value = 0;  ///< px; or percent of the surface's width or height
  bool percent = false;
  bool operator==(const LayerLength&) const = default;
};

/// Where in the surface: 0 left or above, 1 in the middle, 2 right or below.
struct LayerCorner {
  std::uint8_t across = 2, down = 2;
  bool operator==(const LayerCorner&) const = default;
};
/// Of the layer's top left corner; may be negative.
struct LayerPoint {
  LayerLength x, y;
  bool operator==(const LayerPoint&) const = default;
};

struct LayerOptions {
  /// That a recording can have. What every route can compose in its one pass.
  static constexpr std::size_t kMost = 8;
  static constexpr double kLargestPercent = 200;

  std::string name;  ///< unique in a recording; empty: "layer-N"
  SourceSpec source;
  std::variant<LayerCorner, LayerPoint> at;
  /// Percent of the surface's width; or px, into which the picture is fitted. Unset: the picture's own size, at most
  /// the surface's.
  std::variant<std::monostate, double, Size> size;
  std::uint32_t margin = 0;  ///< px between a corner and the surface's edges
  double opacity = 100;      ///< percent
  std::uint32_t radius = 0;  ///< px, of rounded corners
  std::optional<Rect> crop;  ///< px of the shown picture
  std::int32_t order = 0;    ///< higher ones lie above lower ones, later ones above earlier ones
  bool operator==(const LayerOptions&) const = default;
};

/// Where a picture of that size (as shown) goes on a surface. Its aspect ratio stays; even places and edges where they
/// are not given in px, since those are drawn fastest.
[[nodiscard]] LayerPlace place_layer(const LayerOptions& options, Size picture, Size surface);

}  // namespace zc
