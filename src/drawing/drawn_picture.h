#pragma once

#include "media/geometry.h"

#include <cstddef>
#include <vector>

namespace zc {

/// A picture of our own: RGBA with straight alpha, rows without padding.
struct DrawnPicture {
  Size size;  ///< px
  std::vector<std::byte> pixels;

  /// Nothing shines through.
  [[nodiscard]] bool opaque() const {
    for (std::size_t i = 3; i < pixels.size(); i += 4) {
      if (pixels[i] != std::byte{255}) return false;
    }
    return true;
  }
};

}  // namespace zc
