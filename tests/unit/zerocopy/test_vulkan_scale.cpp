// Scaled pictures: the pass against the same filter in double precision, and against the CPU path.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/surface_layout.h"

#include <algorithm>
#include <cmath>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

struct Tap {
  std::uint32_t at = 0;
  double weight = 0;
};

/// The source's share in sample `index`: the area it covers when it shrinks, linear interpolation when it grows.
std::vector<Tap> taps(std::uint32_t index, std::uint32_t from, std::uint32_t to) {
  const double ratio = static_cast<double>(from) / to;
  const double middle = (index + 0.5) * ratio;
  const double half = 0.5 * std::max(ratio, 1.0);
  std::vector<Tap> all;
  // NOLINTNEXTLINE(clang-analyzer-security.FloatLoopCounter): whole numbers, exact
  for (double x = std::floor(middle - half); x < middle + half; x += 1) {
    const double weight = std::min(x + 1, middle + half) - std::max(x, middle - half);
    const auto at = static_cast<std::uint32_t>(std::clamp(x, 0.0, from - 1.0));
    all.push_back({at, weight / (2 * half)});
  }
  return all;
}

RgbPicture scaled(const RgbPicture& picture, Size to) {
  RgbPicture out(to, 0, 0);
  for (std::uint32_t y = 0; y < to.height; ++y) {
    const auto rows = taps(y, picture.size().height, to.height);
    for (std::uint32_t x = 0; x < to.width; ++x) {
      const auto columns = taps(x, picture.size().width, to.width);
      std::uint32_t word = 0;
      for (unsigned shift = 0; shift < 24; shift += 8) {
        double sum = 0;
        for (const Tap& row : rows) {
          for (const Tap& column : columns) {
            sum += row.weight * column.weight * ((picture.word(column.at, row.at) >> shift) & 0xffU);
          }
        }
        word |= static_cast<std::uint32_t>(std::lround(sum)) << shift;
      }
      out.set(x, y, word);
    }
  }
  return out;
}

/// A smooth picture: what a screen's content looks like to a filter, edges aside.
RgbPicture slope(Size size) {
  RgbPicture picture(size, 0, 0);
  for (std::uint32_t y = 0; y < size.height; ++y) {
    for (std::uint32_t x = 0; x < size.width; ++x) {
      const auto wave = [](double at) { return static_cast<std::uint32_t>(127.5 + 110 * std::sin(at)); };
      const double u = static_cast<double>(x) / size.width;
      const double v = static_cast<double>(y) / size.height;
      picture.set(x, y, wave(6 * u) | wave(4 * v + 1) << 8U | wave(5 * u + 3 * v) << 16U);
    }
  }
  return picture;
}

struct Result4 {
  SurfaceLayout layout;
  VulkanBuffer buffer;
  PicturePlan plan;
};

Result4 run(const RgbPicture& picture, PixelFormat target, Size surface) {
  const auto device = vulkan_device();
  const auto pass = ConversionPass::create(device);
  REQUIRE(pass);
  const auto plan = make_picture_plan(PixelFormat::BGRx, picture.size(), {}, Transform::Normal, surface);
  REQUIRE(plan);
  REQUIRE(plan->scaled);
  const VulkanBuffer source = host_buffer(device, picture.bytes());
  const SurfaceLayout layout = surface_layout(target, surface, 64);
  auto buffer = VulkanBuffer::create_host(device, layout.bytes);
  REQUIRE(buffer);
  std::memset(buffer->mapped(), 0x5a, buffer->bytes());
  const auto done =
      (*pass)->run({.buffer = &source, .plane = {0, picture.stride()}}, *plan, *buffer, layout, kBt709Limited, kSoon);
  if (!done) FAIL(done.error().message());
  REQUIRE(buffer->invalidate());
  return {layout, std::move(*buffer), *plan};
}

constexpr std::array kSizes = {Size{64, 36},  Size{60, 34}, Size{400, 225}, Size{50, 80},
                               Size{100, 20}, Size{24, 14}, Size{200, 36},  Size{34, 120}};

}  // namespace

TEST_CASE("a scaled picture is the filter's, bars included") {
  const RgbPicture picture({160, 90}, 0, 7);
  for (const PixelFormat target : {PixelFormat::NV12, PixelFormat::I444, PixelFormat::P010}) {
    for (const Size size : kSizes) {
      const Result4 got = run(picture, target, size);
      const YuvPicture box = converted(scaled(picture, got.plan.box.size()), PixelFormat::BGRx, target);
      const YuvPicture want(target, size);
      fill_black(want.view(), {0, 0, size.width, size.height}, kBt709Limited);
      copy_rect(box.view(), want.view().part(got.plan.box), {0, 0, got.plan.box.width, got.plan.box.height});
      // One step of an 8-bit component may round the other way: one code value, four in 10 bits.
      const Difference d =
          difference(want.view(), test::view_of(got.buffer, got.layout), target == PixelFormat::P010 ? 4 : 1);
      CAPTURE(name(target), size.width, size.height, d.component, d.x, d.y, d.a, d.b);
      CHECK_FALSE(d.found);
    }
  }
}

TEST_CASE("the CPU's scaled picture looks the same") {
  for (const Size size : kSizes) {
    const RgbPicture picture = slope({320, 180});
    const Result4 got = run(picture, PixelFormat::NV12, size);
    const auto want = importer_for({PixelFormat::NV12, size})->import(frame_of(picture));
    REQUIRE(want);
    // libyuv averages whole pixels where the pass takes their parts: up to 6 code values where 13 pixels of a steep
    // slope become one.
    const Difference d = difference(view_of(*want), test::view_of(got.buffer, got.layout), 6);
    CAPTURE(size.width, size.height, d.component, d.x, d.y, d.a, d.b);
    CHECK_FALSE(d.found);
  }
}
