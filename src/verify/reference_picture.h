// What a decoded picture of the test source ought to look like, made anew from its number.
#pragma once

#include "capture/test_pattern.h"
#include "media/colour.h"
#include "media/picture_view.h"
#include "media/test_mark.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace zc::verify {

/// One component of a reference picture, tightly packed.
struct ReferencePlane {
  Size size;  ///< samples
  std::vector<std::uint16_t> samples;
};

/// The test source's picture of one size in the samples of one kind of stream. The conversion is the definition in real
/// numbers (ITU-R BT.601, BT.709, BT.2020; H.273 8.3), not the kernels that made the recording, so that it finds their
/// mistakes as well.
class ReferencePicture {
 public:
  struct Kind {
    Size size;  ///< px
    unsigned bits = 8;
    bool rgb = false;
    unsigned chroma_shift_x = 1, chroma_shift_y = 1;
    ColourDescription colour;
    bool operator==(const Kind&) const = default;
  };

  explicit ReferencePicture(const Kind& kind);
  [[nodiscard]] const Kind& kind() const { return kind_; }

  /// Paints the picture with this number and time.
  void paint(const TestMark& mark);
  /// In the order of PictureView::components.
  [[nodiscard]] const std::array<ReferencePlane, 3>& planes() const { return planes_; }

 private:
  struct Colour {
    double red = 0, green = 0, blue = 0;  ///< 0 to 1
  };
  [[nodiscard]] Colour pixel(std::int64_t x, std::int64_t y) const;
  /// Every sample that depends on a pixel of `area`.
  void convert(const Rect& area);
  void convert_chroma(std::uint32_t x, std::uint32_t y);

  Kind kind_;
  TestPattern pattern_;
  std::vector<std::byte> pixels_;  ///< BGRx
  std::array<ReferencePlane, 3> planes_;
  Rect box_;  ///< where the last picture's stands
};

}  // namespace zc::verify
