// Surfaces as PNG files: the colours are those that went in.
#include "encode/png.h"

#include "media/av_words.h"
#include "tools/png.h"
#include "verify/quality.h"
#include "verify/reference_picture.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

extern "C" {
#include <libavutil/frame.h>
}

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{320, 180};
constexpr TestMark kMark{.frame = 77, .time = std::chrono::seconds(5)};
constexpr double kExact = std::numeric_limits<double>::infinity();

/// The test source's picture as an importer makes it, by the definition of the conversion.
Surface make_surface(PixelFormat format, const ColourDescription& colour) {
  AvFramePtr frame(av_frame_alloc());
  frame->format = av_pixel_format(format);
  frame->width = static_cast<int>(kSize.width);
  frame->height = static_cast<int>(kSize.height);
  REQUIRE(av_frame_get_buffer(frame.get(), 0) >= 0);
  const auto view = view_of(*frame);
  REQUIRE(view);
  verify::ReferencePicture picture(
      {kSize, view->bits, colour.matrix == ColourMatrix::Rgb, view->chroma_shift_x, view->chroma_shift_y, colour});
  picture.paint(kMark);
  for (std::size_t i = 0; i < 3; ++i) {
    const Component& to = view->components.at(i);
    const std::uint16_t* from = picture.planes().at(i).samples.data();
    for (std::uint32_t y = 0; y < to.size.height; ++y) {
      for (std::uint32_t x = 0; x < to.size.width; ++x) {
        const auto sample = static_cast<std::uint16_t>(*from++ << to.shift);
        const auto* place = to.data + static_cast<std::ptrdiff_t>(y) * to.stride_bytes + std::size_t{x} * to.step_bytes;
        std::uint8_t* memory = frame->buf[0]->data;  // of all planes
        std::memcpy(memory + (place - reinterpret_cast<std::byte*>(memory)), &sample, to.sample_bytes);
      }
    }
  }
  return Surface(std::move(frame), {format, kSize, colour, MemoryKind::Host});
}

PngFile png(PixelFormat format, const ColourDescription& colour) {
  const auto bytes = png_of(make_surface(format, colour));
  REQUIRE(bytes);
  auto file = PngFile::parse(*bytes);
  REQUIRE(file);
  return *std::move(file);
}

/// The worst component's.
double psnr_to_original(const PngFile& file) {
  verify::ReferencePicture original({kSize, file.view().bits, true, 0, 0, kRgbFull});
  original.paint(kMark);
  return std::ranges::min(verify::compare(file.view(), original).psnr);
}

/// The share of samples that are further from the original's than so many steps of 8 bits.
double share_off(const PngFile& file, int steps) {
  verify::ReferencePicture original({kSize, file.view().bits, true, 0, 0, kRgbFull});
  original.paint(kMark);
  const int most = steps << (file.view().bits - 8);
  std::size_t off = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const Component& component = file.view().components.at(i);
    const std::uint16_t* wanted = original.planes().at(i).samples.data();
    for (std::uint32_t y = 0; y < kSize.height; ++y) {
      for (std::uint32_t x = 0; x < kSize.width; ++x) {
        if (std::abs(component.at(x, y) - *wanted++) > most) ++off;
      }
    }
  }
  return static_cast<double>(off) / static_cast<double>(3 * kSize.area());
}

}  // namespace

TEST_CASE("a PNG file has the samples of an RGB surface, and says sRGB") {
  const PngFile file = png(PixelFormat::I444, kRgbFull);
  CHECK(file.view().size == kSize);
  CHECK(psnr_to_original(file) == kExact);
  CHECK(file.mark() == kMark);
  CHECK(file.chunk("sRGB"));
  CHECK_FALSE(file.chunk("cICP"));
}

TEST_CASE("a PNG file of a video's surface has its colours, by the surface's own matrix and range") {
  const auto format = GENERATE(PixelFormat::I444, PixelFormat::I410, PixelFormat::NV12, PixelFormat::I420,
                               PixelFormat::P010, PixelFormat::I010);
  const auto matrix = GENERATE(ColourMatrix::BT709, ColourMatrix::BT601, ColourMatrix::BT2020);
  const auto range = GENERATE(ColourRange::Limited, ColourRange::Full);
  CAPTURE(name(format), matrix, range);
  const PngFile file = png(format, {matrix, range, ColourPrimaries::BT709, TransferFunction::BT709});
  CHECK(file.mark() == kMark);
  CHECK(file.chunk("sRGB"));
  const bool deep = info(format).bits > 8;
  CHECK(file.view().bits == (deep ? 16 : 8));
  if (info(format).chroma_shift_x == 0) {
    CHECK(share_off(file, deep ? 1 : 2) == 0);  // what rounding to luma and chroma takes
  } else {
    // Edges between colours have lost their sharpness, and nothing else anything.
    CHECK(psnr_to_original(file) > 30);
    CHECK(share_off(file, 2) < 0.04);
  }
}

TEST_CASE("a PNG file of HDR keeps 16 bits and says what they mean") {
  const auto transfer = GENERATE(TransferFunction::PQ, TransferFunction::HLG);
  const PngFile file =
      png(PixelFormat::P010, {ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020, transfer});
  CHECK(file.view().bits == 16);
  CHECK_FALSE(file.chunk("sRGB"));
  CHECK_FALSE(file.chunk("gAMA"));
  const std::byte code{transfer == TransferFunction::PQ ? std::uint8_t{16} : std::uint8_t{18}};
  CHECK(file.chunk("cICP") == std::vector{std::byte{9}, code, std::byte{0}, std::byte{1}});
}
