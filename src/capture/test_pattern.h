// The picture of the synthetic source: still colour bars, a box that moves, and the machine-readable mark.
#pragma once

#include "media/geometry.h"
#include "media/pixel_format.h"
#include "media/test_mark.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace zc {

/// One pixel word of a 32-bit RGB format from 8-bit components; alpha, where there is one, is opaque. 10-bit formats
/// repeat the high bits in the low ones.
[[nodiscard]] std::uint32_t rgb_word(PixelFormat format, std::uint8_t red, std::uint8_t green, std::uint8_t blue);

/// Paints the pattern for one size and format. A picture changes from frame to frame only in box(n), box(n - 1) and
/// mark_area(). Immutable after construction.
class TestPattern {
 public:
  /// `format` must be one of the 32-bit RGB formats, `size` not empty.
  TestPattern(PixelFormat format, Size size);

  [[nodiscard]] PixelFormat format() const { return format_; }
  [[nodiscard]] Size size() const { return size_; }
  /// Rows start on 64-byte boundaries, so a stride is not simply width x 4.
  [[nodiscard]] std::uint32_t stride_bytes() const { return stride_bytes_; }
  [[nodiscard]] std::size_t size_bytes() const { return std::size_t{stride_bytes_} * size_.height; }

  /// Where the box stands in frame `n`: a triangle wave in both directions, so it visits the whole picture.
  [[nodiscard]] Rect box(std::uint64_t n) const;
  [[nodiscard]] Rect mark_area() const;

  /// `pixels` is a whole buffer of size_bytes().
  void paint_background(std::span<std::byte> pixels) const;
  void paint_background(std::span<std::byte> pixels, const Rect& area) const;
  void paint_box(std::span<std::byte> pixels, std::uint64_t n) const;
  void paint_mark(std::span<std::byte> pixels, const TestMark& mark) const;

 private:
  PixelFormat format_;
  Size size_;
  std::uint32_t stride_bytes_;
  std::vector<std::uint32_t> bars_;  ///< one row: eight colour bars, the upper three quarters
  std::vector<std::uint32_t> ramp_;  ///< one row: black to white, the rest
  std::vector<std::uint32_t> box_;   ///< one row of the box: a hue that runs through it
};

}  // namespace zc
