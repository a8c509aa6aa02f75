// The reference picture and the distance to it.
#include "verify/quality.h"
#include "verify/reference_picture.h"

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstring>
#include <vector>

using namespace zc;
using namespace zc::verify;

namespace {

constexpr Size kSize{96, 64};

/// A picture with the reference's own samples, one byte or two each.
class Copy {
 public:
  explicit Copy(const ReferencePicture& reference) {
    view_.size = reference.kind().size;
    view_.bits = reference.kind().bits;
    view_.rgb = reference.kind().rgb;
    const std::size_t bytes = view_.bits > 8 ? 2 : 1;
    for (std::size_t i = 0; i < 3; ++i) {
      const ReferencePlane& plane = reference.planes().at(i);
      samples_.at(i).resize(plane.samples.size() * bytes);
      for (std::size_t s = 0; s < plane.samples.size(); ++s) {
        std::memcpy(samples_.at(i).data() + s * bytes, &plane.samples[s], bytes);  // little-endian
      }
      view_.components.at(i) = {.data = samples_.at(i).data(),
                                .stride_bytes = static_cast<std::ptrdiff_t>(plane.size.width * bytes),
                                .step_bytes = bytes,
                                .sample_bytes = bytes,
                                .shift = 0,
                                .size = plane.size};
    }
  }
  [[nodiscard]] const PictureView& view() const { return view_; }
  std::byte& byte(std::size_t plane, std::size_t at) { return samples_.at(plane).at(at); }

 private:
  PictureView view_;
  std::array<std::vector<std::byte>, 3> samples_;
};

ReferencePicture::Kind kind(unsigned bits, ColourDescription colour = kBt709Limited) {
  return {.size = kSize, .bits = bits, .rgb = false, .chroma_shift_x = 1, .chroma_shift_y = 1, .colour = colour};
}

}  // namespace

TEST_CASE("a picture equal to the reference is exact") {
  for (const unsigned bits : {8U, 10U}) {
    ReferencePicture reference(kind(bits));
    reference.paint({7, std::chrono::seconds(3)});
    const Copy copy(reference);
    const Quality quality = compare(copy.view(), reference);
    for (const double psnr : quality.psnr) CHECK(std::isinf(psnr));
    CHECK(std::abs(quality.ssim - 1) < 1e-9);
    CHECK(copy.view().mark({}) == TestMark{7, std::chrono::seconds(3)});
  }
}

TEST_CASE("one wrong sample has the PSNR of its definition") {
  ReferencePicture reference(kind(8));
  reference.paint({7, {}});
  Copy copy(reference);
  std::byte& sample = copy.byte(0, 96 * 60 + 90);
  sample = static_cast<std::byte>(std::to_integer<int>(sample) ^ 16);
  const Quality quality = compare(copy.view(), reference);
  CHECK(std::abs(quality.psnr[0] - 10 * std::log10(255.0 * 255.0 * 96 * 64 / 256)) < 1e-6);
  CHECK(std::isinf(quality.psnr[1]));
  CHECK(quality.ssim < 1);
}

TEST_CASE("painting number after number is painting anew") {
  ReferencePicture walked(kind(8));
  for (std::uint32_t n = 0; n < 50; ++n) walked.paint({n, std::chrono::milliseconds(n)});
  ReferencePicture fresh(kind(8));
  fresh.paint({49, std::chrono::milliseconds(49)});
  for (std::size_t i = 0; i < 3; ++i) CHECK(walked.planes().at(i).samples == fresh.planes().at(i).samples);
}

TEST_CASE("the reference has the code values of the standards") {
  // The ramp's ends: black and white, in the last row.
  const auto luma = [](const ReferencePicture& picture, std::uint32_t x) {
    return picture.planes()[0].samples[std::size_t{kSize.height - 1} * kSize.width + x];
  };
  const ReferencePicture limited(kind(8));
  CHECK(luma(limited, 0) == 16);
  CHECK(luma(limited, kSize.width - 1) == 235);
  const ReferencePicture deep(kind(10));
  CHECK(luma(deep, 0) == 64);
  CHECK(luma(deep, kSize.width - 1) == 940);
  ColourDescription full = kBt709Limited;
  full.range = ColourRange::Full;
  const ReferencePicture whole(kind(8, full));
  CHECK(luma(whole, 0) == 0);
  CHECK(luma(whole, kSize.width - 1) == 255);
  // Greys have neutral chroma; 75 % blue, the bar before the last, has 75 % of the most Cb.
  const ReferencePlane& cb = limited.planes()[1];
  CHECK(cb.samples[std::size_t{kSize.height / 2 - 1} * cb.size.width] == 128);
  const std::size_t blue = std::size_t{kSize.height / 4} * cb.size.width + cb.size.width * 13 / 16;
  CHECK(cb.samples[blue] == 128 + 84);
}

TEST_CASE("another number is another picture") {
  ReferencePicture reference(kind(8));
  reference.paint({7, {}});
  const Copy copy(reference);
  CHECK(copy.view().hash() == Copy(reference).view().hash());
  reference.paint({8, {}});
  CHECK(copy.view().hash() != Copy(reference).view().hash());
  CHECK(compare(copy.view(), reference).psnr[0] < 40);
}
