// A writable YUV picture in host memory and the plain operations on it.
#pragma once

#include "media/geometry.h"
#include "media/pixel_format.h"
#include "media/surface.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace zc {

/// Planes somebody else owns. Samples of 8-bit formats are bytes, of 10-bit formats little-endian 16-bit words.
struct YuvView {
  struct Plane {
    std::byte* data = nullptr;  ///< first sample of the first row
    std::size_t stride_bytes = 0;
  };
  PixelFormat format = PixelFormat::Unknown;  ///< NV12, I420, P010, I010, I444 or I410
  Size size;                                  ///< px
  std::array<Plane, 3> planes;

  /// The part `rect` as a picture of its own. `rect` lies inside; its origin is even in both axes for 4:2:0.
  [[nodiscard]] YuvView part(const Rect& rect) const;
};

/// What about a YUV layout the code branches on.
struct YuvLayout {
  bool valid = false;        ///< one of the six formats surfaces come in
  bool subsampled = false;   ///< 4:2:0
  bool interleaved = false;  ///< U and V alternate in plane 1
  bool wide = false;         ///< 16-bit words
  unsigned value_shift = 0;  ///< P010 keeps its 10 bits in the high end of the word: 6
};
[[nodiscard]] YuvLayout yuv_layout(PixelFormat format);

/// `rect` (inside `bounds`) grown to whole chroma samples of a 4:2:0 picture; unchanged for 4:4:4.
[[nodiscard]] Rect chroma_aligned(const Rect& rect, Size bounds, bool subsampled);

/// The samples a change of the pixels `rect` reaches, in whole chroma samples: with left-sited 4:2:0 a pixel in an odd
/// column also counts for the chroma sample to its right. Empty when `rect` lies outside.
[[nodiscard]] Rect chroma_reach(const Rect& rect, Size bounds, bool subsampled);

/// Black of the range: Y 16 or 0 (8 bit), chroma in the middle.
void fill_black(const YuvView& view, const Rect& rect, const ColourDescription& colour);
/// Everything outside `content` becomes black.
void fill_bars(const YuvView& view, const Rect& content, const ColourDescription& colour);
/// Copies `rect` (chroma-aligned) between two pictures of the same format and size.
void copy_rect(const YuvView& from, const YuvView& to, const Rect& rect);
/// Repeats the last column and row of `content` (at the origin) into the rest of the picture, which is at most one
/// pixel wide and high: how an odd picture fits an even surface without scaling.
void extend_edges(const YuvView& view, Size content);

}  // namespace zc
