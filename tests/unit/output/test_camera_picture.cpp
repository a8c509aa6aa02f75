#include "output/camera_picture.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
}

using namespace zc;

namespace {

constexpr ColourDescription kBt601Full{ColourMatrix::BT601, ColourRange::Full, ColourPrimaries::BT601,
                                       TransferFunction::BT709};

/// A colour in three samples of 8 bits: Y, U, V, or of RGB G, B, R.
using Samples = std::array<int, 3>;

AVPixelFormat layout_of(PixelFormat format) {
  switch (format) {
    case PixelFormat::NV12: return AV_PIX_FMT_NV12;
    case PixelFormat::I420: return AV_PIX_FMT_YUV420P;
    case PixelFormat::P010: return AV_PIX_FMT_P010;
    case PixelFormat::I010: return AV_PIX_FMT_YUV420P10;
    case PixelFormat::I444: return AV_PIX_FMT_YUV444P;
    case PixelFormat::I410: return AV_PIX_FMT_YUV444P10;
    default: return AV_PIX_FMT_NONE;
  }
}

/// The left half in one colour, the right half in another; rows are padded.
Surface picture(PixelFormat format, Size size, const Samples& left, const Samples& right,
                const ColourDescription& colour = kBt709Limited) {
  AvFramePtr frame(av_frame_alloc());
  frame->format = layout_of(format);
  frame->width = static_cast<int>(size.width);
  frame->height = static_cast<int>(size.height);
  REQUIRE(av_frame_get_buffer(frame.get(), 64) == 0);
  const AVPixFmtDescriptor* described = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame->format));
  for (int c = 0; c < 3; ++c) {
    const AVComponentDescriptor& component = described->comp[c];
    const int shift_x = c > 0 ? described->log2_chroma_w : 0;
    const int shift_y = c > 0 ? described->log2_chroma_h : 0;
    for (int y = 0; y < frame->height >> shift_y; ++y) {
      for (int x = 0; x < frame->width >> shift_x; ++x) {
        const int value = (x < (frame->width >> shift_x) / 2 ? left : right).at(static_cast<std::size_t>(c));
        std::uint8_t* at =
            frame->data[component.plane] + y * frame->linesize[component.plane] + x * component.step + component.offset;
        if (component.depth == 8) {
          *at = static_cast<std::uint8_t>(value);
        } else {
          const auto deep = static_cast<std::uint16_t>((value * 4) << component.shift);
          at[0] = static_cast<std::uint8_t>(deep);
          at[1] = static_cast<std::uint8_t>(deep >> 8U);
        }
      }
    }
  }
  return Surface(std::move(frame), {format, size, colour, MemoryKind::Host});
}

std::vector<std::uint8_t> written(CameraPicture& camera, const Surface& surface, const CameraLayout& layout) {
  std::vector<std::uint8_t> bytes(layout.bytes() + 16, 0xa5);
  const auto done = camera.write(surface, layout, std::as_writable_bytes(std::span(bytes)).first(layout.bytes()));
  if (!done) FAIL(done.error().message());
  for (std::size_t i = layout.bytes(); i < bytes.size(); ++i) REQUIRE(bytes[i] == 0xa5);
  return bytes;
}

/// Y, U and V, or of BGRx B, G and R, at a pixel.
Samples at(const std::vector<std::uint8_t>& bytes, const CameraLayout& layout, std::size_t x, std::size_t y) {
  const std::size_t width = layout.size.width;
  const std::size_t area = layout.size.area();
  const std::size_t half = y / 2 * (width / 2) + x / 2;
  switch (layout.format) {
    case PixelFormat::NV12: return {bytes[y * width + x], bytes[area + 2 * half], bytes[area + 2 * half + 1]};
    case PixelFormat::I420: return {bytes[y * width + x], bytes[area + half], bytes[area + area / 4 + half]};
    case PixelFormat::YUY2: {
      const std::size_t pair = y * width * 2 + x / 2 * 4;
      return {bytes[pair + x % 2 * 2], bytes[pair + 1], bytes[pair + 3]};
    }
    default: {
      const std::size_t pixel = (y * width + x) * 4;
      return {bytes[pixel], bytes[pixel + 1], bytes[pixel + 2]};
    }
  }
}

/// ITU-T H.273, equations 39 to 44, apart from libyuv's tables.
Samples bgr_of(const Samples& yuv, const ColourDescription& colour) {
  const bool full = colour.range == ColourRange::Full;
  const double luma = full ? yuv[0] / 255.0 : (yuv[0] - 16) / 219.0;
  const double u = (yuv[1] - 128) / (full ? 255.0 : 224.0);
  const double v = (yuv[2] - 128) / (full ? 255.0 : 224.0);
  const double kr = colour.matrix == ColourMatrix::BT601 ? 0.299 : 0.2126;
  const double kb = colour.matrix == ColourMatrix::BT601 ? 0.114 : 0.0722;
  const double red = luma + 2 * (1 - kr) * v;
  const double blue = luma + 2 * (1 - kb) * u;
  const double green = (luma - kr * red - kb * blue) / (1 - kr - kb);
  const auto sample = [](double value) { return static_cast<int>(std::lround(std::clamp(value, 0.0, 1.0) * 255)); };
  return {sample(blue), sample(green), sample(red)};
}

bool close(const Samples& one, const Samples& other, int most) {
  for (std::size_t i = 0; i < one.size(); ++i) {
    if (std::abs(one.at(i) - other.at(i)) > most) return false;
  }
  return true;
}

constexpr Samples kLeft{90, 100, 170};
constexpr Samples kRight{180, 150, 110};

}  // namespace

TEST_CASE("every kind of surface becomes every format of a camera") {
  const PixelFormat from = GENERATE(PixelFormat::NV12, PixelFormat::I420, PixelFormat::P010, PixelFormat::I010,
                                    PixelFormat::I444, PixelFormat::I410);
  const ColourDescription colour = GENERATE(kBt709Limited, kBt601Full);
  const Size size = GENERATE(Size{64, 32}, Size{66, 34}, Size{2, 2}, Size{1282, 722});
  const Surface surface = picture(from, size, kLeft, kRight, colour);
  CameraPicture camera;
  for (const PixelFormat format : camera_formats(colour)) {
    INFO(name(from) << " as " << name(format) << ", " << size.width << "x" << size.height);
    const CameraLayout layout{format, size};
    const auto bytes = written(camera, surface, layout);
    const bool rgb = format == PixelFormat::BGRx;
    const std::size_t x = size.width < 8 ? 0 : size.width / 2 + 4;
    const Samples left = size.width < 8 ? kRight : kLeft;  // two pixels of one chroma sample
    if (size.width >= 8) {
      CHECK(close(at(bytes, layout, 1, 1), rgb ? bgr_of(left, colour) : left, rgb ? 3 : 0));
      CHECK(close(at(bytes, layout, x, size.height - 1), rgb ? bgr_of(kRight, colour) : kRight, rgb ? 3 : 0));
    } else {
      CHECK(at(bytes, layout, 0, 0)[0] >= 0);
    }
  }
}

TEST_CASE("RGB stays RGB, as BGRx alone") {
  const Samples green_blue_red{10, 20, 30};
  const Samples other{200, 150, 250};
  CameraPicture camera;
  for (const PixelFormat from : {PixelFormat::I444, PixelFormat::I410}) {
    const Surface surface = picture(from, {64, 32}, green_blue_red, other, kRgbFull);
    const CameraLayout layout{PixelFormat::BGRx, {64, 32}};
    const auto bytes = written(camera, surface, layout);
    CHECK(at(bytes, layout, 3, 3) == Samples{20, 10, 30});
    CHECK(at(bytes, layout, 60, 30) == Samples{150, 200, 250});
    CHECK(camera_formats(kRgbFull).size() == 1);
    std::vector<std::byte> memory(64 * 32 * 3 / 2);
    const auto refused = camera.write(surface, {PixelFormat::NV12, {64, 32}}, memory);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Unsupported);
    // Scaled, with bars.
    const CameraLayout tall{PixelFormat::BGRx, {64, 64}};
    const auto scaled = written(camera, surface, tall);
    CHECK(at(scaled, tall, 3, 1) == Samples{0, 0, 0});
    CHECK(close(at(scaled, tall, 3, 32), {20, 10, 30}, 1));
  }
}

TEST_CASE("another size is scaled into the camera's, with bars") {
  const PixelFormat from = GENERATE(PixelFormat::NV12, PixelFormat::I420, PixelFormat::I444, PixelFormat::P010);
  const Surface surface = picture(from, {128, 64}, kLeft, kRight);
  CameraPicture camera;
  for (const PixelFormat format : camera_formats(kBt709Limited)) {
    INFO(name(from) << " as " << name(format));
    const bool rgb = format == PixelFormat::BGRx;
    const CameraLayout tall{format, {64, 64}};
    const auto bytes = written(camera, surface, tall);
    const Samples black = rgb ? Samples{0, 0, 0} : Samples{16, 128, 128};
    CHECK(close(at(bytes, tall, 5, 3), black, 1));
    CHECK(close(at(bytes, tall, 5, 60), black, 1));
    CHECK(close(at(bytes, tall, 5, 32), rgb ? bgr_of(kLeft, kBt709Limited) : kLeft, 3));
    CHECK(close(at(bytes, tall, 58, 32), rgb ? bgr_of(kRight, kBt709Limited) : kRight, 3));
  }
}

TEST_CASE("a reader's memory that is too small is not written to") {
  const Surface surface = picture(PixelFormat::NV12, {64, 32}, kLeft, kRight);
  CameraPicture camera;
  const CameraLayout layout{PixelFormat::NV12, {64, 32}};
  CHECK(layout.bytes() == 64 * 32 * 3 / 2);
  std::vector<std::byte> memory(layout.bytes() - 1);
  CHECK_FALSE(camera.write(surface, layout, memory));
  CHECK_FALSE(camera.write(surface, layout, {}));
  CHECK_FALSE(camera.write(surface, {PixelFormat::NV12, {63, 32}}, memory));
  CHECK_FALSE(camera.write(surface, {PixelFormat::UYVY, {2, 2}}, memory));
}
