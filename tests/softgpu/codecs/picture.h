// A planar picture, as the software encoders take it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace zc::softgpu {

/// Y, U and V without row padding; samples of 8 bits take one byte, of 10 bits two (native order, low bits used).
struct Picture {
  unsigned width = 0;  ///< px
  unsigned height = 0;
  bool yuv444 = false;  ///< else 4:2:0
  unsigned depth = 8;
  std::array<std::vector<std::uint8_t>, 3> planes;

  [[nodiscard]] unsigned sample_bytes() const { return depth > 8 ? 2 : 1; }
  [[nodiscard]] unsigned plane_width(std::size_t plane) const { return plane == 0 || yuv444 ? width : (width + 1) / 2; }
  [[nodiscard]] unsigned plane_height(std::size_t plane) const {
    return plane == 0 || yuv444 ? height : (height + 1) / 2;
  }
  [[nodiscard]] std::size_t row_bytes(std::size_t plane) const {
    return std::size_t{plane_width(plane)} * sample_bytes();
  }
  [[nodiscard]] std::uint8_t* row(std::size_t plane, std::size_t y) {
    return planes.at(plane).data() + y * row_bytes(plane);
  }
};

}  // namespace zc::softgpu
