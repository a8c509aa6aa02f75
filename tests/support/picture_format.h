// The memory layout of each pixel format and its name in SPA, in a table of the tests' own: what the program has for
// the same purpose is not looked at, so that a wrong constant there shows.
#pragma once

#include "media/geometry.h"
#include "media/pixel_format.h"

#include <array>
#include <cstdint>

namespace zc::test {

struct PictureFormat {
  PixelFormat format = PixelFormat::Unknown;
  std::uint32_t spa = 0;  ///< SPA_VIDEO_FORMAT_*
  unsigned bits = 8;      ///< of a component
  unsigned planes = 0;
  std::array<unsigned, 3> bytes{};  ///< of one sample position of a plane
  unsigned shift_x = 0;             ///< log2 of the horizontal subsampling of planes 1 and 2
  unsigned shift_y = 0;
  bool yuv = false;

  /// Samples in a row of the plane and its rows; chroma rounds up.
  [[nodiscard]] Size plane_size(unsigned plane, Size picture) const;
  /// Bytes of a row of the plane, without padding.
  [[nodiscard]] std::uint64_t row_bytes(unsigned plane, std::uint32_t width) const;
};

/// `format` must be one of the table, which has all but Unknown.
[[nodiscard]] const PictureFormat& picture_format(PixelFormat format);
/// Null: nothing that can be painted.
[[nodiscard]] const PictureFormat* picture_format_of_spa(std::uint32_t spa);

}  // namespace zc::test
