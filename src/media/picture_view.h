// The samples of a decoded picture, whatever its layout.
#pragma once

#include "base/error.h"
#include "media/geometry.h"
#include "media/test_mark.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

struct AVFrame;

namespace zc {

/// One component: Y, U and V, or of an RGB picture G, B and R, which is the order both lie in.
struct Component {
  const std::byte* data = nullptr;
  std::ptrdiff_t stride_bytes = 0;
  std::size_t step_bytes = 1;    ///< from one sample to the next
  std::size_t sample_bytes = 1;  ///< 1 or 2
  unsigned shift = 0;            ///< unused low bits
  Size size;                     ///< samples

  [[nodiscard]] std::uint16_t at(std::uint32_t x, std::uint32_t y) const {
    const std::byte* sample = data + static_cast<std::ptrdiff_t>(y) * stride_bytes + std::size_t{x} * step_bytes;
    if (sample_bytes == 1) return std::to_integer<std::uint16_t>(*sample);
    std::uint16_t value = 0;
    std::memcpy(&value, sample, 2);
    return static_cast<std::uint16_t>(value >> shift);
  }
};

/// Points into the frame.
struct PictureView {
  Size size;  ///< px
  unsigned bits = 8;
  bool rgb = false;
  unsigned chroma_shift_x = 0, chroma_shift_y = 0;
  std::array<Component, 3> components;

  /// The number painted into it; `painted` as in read_mark(), empty: the picture's own size.
  [[nodiscard]] std::optional<TestMark> mark(Size painted) const;
  /// Equal for pictures with equal samples.
  [[nodiscard]] std::uint64_t hash() const;
};

/// Unsupported: not three components of 8 to 16 bits in planes of their own or interleaved.
[[nodiscard]] Result<PictureView> view_of(const AVFrame& frame);

}  // namespace zc
