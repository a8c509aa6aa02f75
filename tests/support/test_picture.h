// A picture in any pixel format whose every byte follows from its frame number, with the project's mark in it.
#pragma once

#include "media/geometry.h"
#include "media/pixel_format.h"
#include "media/test_mark.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace zc::test {

struct PictureTarget {
  std::byte* data = nullptr;
  std::size_t stride_bytes = 0;
};
struct PictureView {
  const std::byte* data = nullptr;
  std::size_t stride_bytes = 0;
};

/// Component 0, 1, 2 (R, G, B or Y, U, V) of the sample at (x, y) of its plane in frame `frame`: 0 to 1023, a smooth
/// slope in both directions that moves with the frame, so that it survives lossy coding.
[[nodiscard]] std::uint32_t picture_component(unsigned component, std::uint32_t x, std::uint32_t y,
                                              std::uint32_t frame);

/// Fills all planes: the slope, and over it the mark in the top left corner (white and black; in the luma of YUV).
void paint_picture(PixelFormat format, Size size, const TestMark& mark, const std::array<PictureTarget, 3>& planes);

/// The mark of a picture that was not scaled or coded. nullopt when the picture is smaller than its mark.
[[nodiscard]] std::optional<TestMark> read_picture_mark(PixelFormat format, Size size,
                                                        const std::array<PictureView, 3>& planes);

/// Compares every byte of every row with what paint_picture() makes of `mark`. nullopt when all are equal, else where
/// the first difference is.
struct PictureDifference {
  unsigned plane = 0;
  std::uint32_t row = 0;
  std::size_t byte = 0;
};
[[nodiscard]] std::optional<PictureDifference> compare_picture(PixelFormat format, Size size, const TestMark& mark,
                                                               const std::array<PictureView, 3>& planes);

}  // namespace zc::test
