// HDR pictures for SDR screens: the curve by its own definition, and the GPU's against the CPU's.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/cpu/tone_mapper.h"

#include <cmath>

using namespace zc;
using namespace zc::test;

namespace {

constexpr ColourDescription kHdr{ColourMatrix::Rgb, ColourRange::Full, ColourPrimaries::BT2020, TransferFunction::PQ};

/// SMPTE ST 2084, of 10 bits.
std::uint32_t pq(double nits) {
  const double p = std::pow(nits / 10000, 2610.0 / 16384);
  return static_cast<std::uint32_t>(
      std::lround(1023 * std::pow((3424.0 / 4096 + 2413.0 / 128 * p) / (1 + 2392.0 / 128 * p), 2523.0 / 32)));
}
std::uint32_t word(std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
  return red << 20 | green << 10 | blue;  // xRGB_210LE
}
struct Rgb {
  std::uint32_t red, green, blue;
};
Rgb shown(std::uint32_t pixel, ToneMap map = ToneMap::ToBt709) {
  ToneMapper mapper(PixelFormat::xRGB_210LE, map);
  const RgbView out = mapper.apply({reinterpret_cast<const std::byte*>(&pixel), 4, {1, 1}});
  std::uint32_t w = 0;
  std::memcpy(&w, out.data, 4);
  return {w >> 20, (w >> 10) & 1023, w & 1023};
}
bool near(std::uint32_t a, double b, double tolerance = 2) { return std::abs(a - b) <= tolerance; }

}  // namespace

TEST_CASE("SDR's greys come back as they were, and what is brighter keeps its order") {
  // Below the knee (96 nits of 203) light is light.
  for (const double grey : {0.02, 0.1, 0.3, 0.5, 0.7}) {
    const auto code = pq(203 * std::pow(grey, 2.2));
    const Rgb out = shown(word(code, code, code));
    CHECK(near(out.green, 1023 * grey));
    CHECK(near(out.red, out.green, 1));
    CHECK(near(out.blue, out.green, 1));
  }
  CHECK(shown(word(0, 0, 0)).green == 0);
  CHECK(shown(word(pq(1000), pq(1000), pq(1000))).green == 1023);
  CHECK(shown(word(1023, 1023, 1023)).green == 1023);
  std::uint32_t before = 0;
  for (std::uint32_t code = 0; code <= pq(1000); ++code) {
    const std::uint32_t now = shown(word(code, code, code)).green;
    REQUIRE(now >= before);
    before = now;
  }
  // SDR's white is darker than the brightest light, and not dim.
  const std::uint32_t white = shown(word(pq(203), pq(203), pq(203))).green;
  CHECK(white > 880);
  CHECK(white < 970);
}

TEST_CASE("hues stay, and BT.2020's primaries become BT.709's") {
  // A red of BT.709 at 50 nits, said in BT.2020 (ITU-R BT.2087).
  const Rgb red = shown(word(pq(50 * 0.627404), pq(50 * 0.069097), pq(50 * 0.016391)));
  CHECK(near(red.red, 1023 * std::pow(50.0 / 203, 1 / 2.2), 3));
  CHECK(red.green < 40);
  CHECK(red.blue < 40);
  // Beyond BT.709: clipped, not wrapped.
  const Rgb wide = shown(word(pq(400), 0, 0));
  CHECK(wide.red == 1023);
  CHECK(wide.green == 0);
  // The ratio of bright components is kept when they are brought down.
  const Rgb bright = shown(word(pq(800), pq(400), pq(400)), ToneMap::Keep);
  CHECK(near(bright.green, bright.red * std::pow(0.5, 1 / 2.2), 6));
}

TEST_CASE("which pictures are mapped") {
  const auto target = [](ColourPrimaries primaries, TransferFunction transfer) {
    return ColourDescription{ColourMatrix::BT709, ColourRange::Limited, primaries, transfer};
  };
  CHECK(tone_map(kHdr, kBt709Limited) == ToneMap::ToBt709);
  CHECK(tone_map(kHdr, target(ColourPrimaries::BT2020, TransferFunction::BT2020_10)) == ToneMap::Keep);
  CHECK(tone_map(kHdr, target(ColourPrimaries::BT2020, TransferFunction::PQ)) == ToneMap::None);
  CHECK(tone_map(kRgbFull, kBt709Limited) == ToneMap::None);
  CHECK(tone_map({}, kBt709Limited) == ToneMap::None);
  const ColourDescription narrow{ColourMatrix::Rgb, ColourRange::Full, ColourPrimaries::BT709, TransferFunction::PQ};
  CHECK(tone_map(narrow, kBt709Limited) == ToneMap::Keep);
}

TEST_CASE("the importer maps what says PQ, whatever its way through the converter") {
  const RgbPicture picture({64, 36}, 0, 5);
  for (const Transform transform : {Transform::Normal, Transform::Rot90}) {
    for (const Size size : {Size{64, 36}, Size{32, 18}}) {
      Frame hdr = frame_of(picture, PixelFormat::xRGB_210LE);
      hdr.colour = kHdr;
      hdr.transform = transform;
      ToneMapper mapper(PixelFormat::xRGB_210LE, ToneMap::ToBt709);
      const RgbView mapped = mapper.apply({picture.data(), picture.stride(), picture.size()});
      Frame sdr = frame_of(picture, PixelFormat::xRGB_210LE);
      auto& image = std::get<HostImage>(sdr.image);
      image.planes[0] = {mapped.data, static_cast<std::uint32_t>(mapped.stride_bytes)};
      sdr.transform = transform;
      const SurfaceFormat target{PixelFormat::NV12, size, kBt709Limited};
      const auto got = importer_for(target)->import(std::move(hdr));
      const auto wanted = importer_for(target)->import(std::move(sdr));
      REQUIRE(got);
      REQUIRE(wanted);
      check_same(zc::test::view_of(*wanted), zc::test::view_of(*got));
    }
  }
}

TEST_CASE("the GPU's tone mapping is the CPU's, to within one step of each component") {
  const auto device = vulkan_device();
  const auto pass = std::move(*ConversionPass::create(device));
  struct Row {
    PixelFormat source, target;
    int tolerance;
  };
  for (const auto [source_format, target_format, tolerance] :
       {Row{PixelFormat::xRGB_210LE, PixelFormat::I410, 2}, Row{PixelFormat::xBGR_210LE, PixelFormat::P010, 2},
        Row{PixelFormat::RGBx_102LE, PixelFormat::NV12, 1}, Row{PixelFormat::BGRx, PixelFormat::I444, 2},
        Row{PixelFormat::xBGR, PixelFormat::NV12, 2}}) {
    CAPTURE(name(source_format), name(target_format));
    const RgbPicture picture({64, 36}, 0, 7);
    Frame frame = frame_of(picture, source_format);
    frame.colour = kHdr;
    const SurfaceFormat format{target_format, picture.size(), kBt709Limited};
    const auto plan = make_picture_plan(frame, format);
    REQUIRE(plan);
    REQUIRE(plan->tone == ToneMap::ToBt709);
    const auto wanted = importer_for(format)->import(std::move(frame));
    REQUIRE(wanted);
    const SurfaceLayout layout = surface_layout(target_format, picture.size(), 64);
    auto target = VulkanBuffer::create_host(device, layout.bytes);
    REQUIRE(target);
    const VulkanBuffer source = host_buffer(device, picture.bytes());
    const auto run = [&](const ConversionPass::Source& from) {
      const auto done = pass->run(from, *plan, *target, layout, kBt709Limited, kSoon);
      if (!done) FAIL(done.error().message());
      REQUIRE(target->invalidate());
      check_same(zc::test::view_of(*wanted), zc::test::view_of(*target, layout), tolerance);
    };
    run({.buffer = &source, .plane = {0, picture.stride()}});
    if (vk_format(source_format) == VK_FORMAT_UNDEFINED) continue;
    auto image = VulkanImage::create(device, source_format, picture.size());
    REQUIRE(image);
    REQUIRE(pass->upload(source, *image, kSoon));
    run({.image = &*image});
  }
}
