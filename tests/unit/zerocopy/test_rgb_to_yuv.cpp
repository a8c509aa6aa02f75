#include "unit/zerocopy/support.h"
#include "zerocopy/cpu/rgb_to_yuv.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <cmath>
#include <string>

using namespace zc;
using namespace zc::test;

namespace {

constexpr std::array kSources = {
    PixelFormat::BGRx,       PixelFormat::BGRA,       PixelFormat::RGBx,       PixelFormat::RGBA,
    PixelFormat::xRGB,       PixelFormat::ARGB,       PixelFormat::xBGR,       PixelFormat::ABGR,
    PixelFormat::xRGB_210LE, PixelFormat::ARGB_210LE, PixelFormat::xBGR_210LE, PixelFormat::ABGR_210LE,
    PixelFormat::RGBx_102LE, PixelFormat::RGBA_102LE, PixelFormat::BGRx_102LE, PixelFormat::BGRA_102LE};
struct Rgb {
  double r, g, b;
};

/// Reads a pixel by the format's name alone, so that a mistake in the library's table cannot hide here.
Rgb unpack(PixelFormat format, std::uint32_t word) {
  const std::string n(name(format));
  Rgb rgb{};
  const bool ten = info(format).bits == 10;
  unsigned shift = ten ? 32 : 0;
  for (const char c : n.substr(0, 4)) {
    unsigned bits = 8;
    if (ten) bits = c == 'x' || c == 'A' ? 2 : 10;
    if (ten) shift -= bits;
    const double value = static_cast<double>((word >> shift) & ((1U << bits) - 1)) / ((1U << bits) - 1);
    if (!ten) shift += 8;
    if (c == 'R') rgb.r = value;
    if (c == 'G') rgb.g = value;
    if (c == 'B') rgb.b = value;
  }
  return rgb;
}

struct Yuv {
  double y, u, v;
};

/// H.273 8.3 in double precision.
Yuv to_yuv(const Rgb& c, const ColourDescription& colour, unsigned bits) {
  const LumaWeights w = luma_weights(colour.matrix);
  const double y = w.red * c.r + (1 - w.red - w.blue) * c.g + w.blue * c.b;
  const double pb = 0.5 * (c.b - y) / (1 - w.blue);
  const double pr = 0.5 * (c.r - y) / (1 - w.red);
  const double unit = 1U << (bits - 8);
  if (colour.range == ColourRange::Full) {
    const double largest = (1U << bits) - 1;
    return {largest * y, largest * pb + 128 * unit, largest * pr + 128 * unit};
  }
  return {(219 * y + 16) * unit, (224 * pb + 128) * unit, (224 * pr + 128) * unit};
}

/// The largest distance of any sample from the real-valued conversion.
double worst_error(const RgbPicture& picture, PixelFormat source, const ColourDescription& colour, const YuvView& out) {
  const unsigned bits = info(out.format).bits;
  const bool subsampled = yuv_layout(out.format).subsampled;
  const auto width = static_cast<int>(picture.size().width);
  const auto height = static_cast<int>(picture.size().height);
  const double largest = (1U << bits) - 1;
  const auto at = [&](int x, int y) {
    const auto cx = static_cast<std::size_t>(std::clamp(x, 0, width - 1));
    const auto cy = static_cast<std::size_t>(std::clamp(y, 0, height - 1));
    return to_yuv(unpack(source, picture.word(cx, cy)), colour, bits);
  };
  double worst = 0;
  const auto check = [&](unsigned component, int x, int y, double expected) {
    const int got = sample(out, component, static_cast<std::size_t>(x), static_cast<std::size_t>(y));
    worst = std::max(worst, std::abs(got - std::clamp(expected, 0.0, largest)));
  };
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const Yuv p = at(x, y);
      check(0, x, y, p.y);
      if (!subsampled) {
        check(1, x, y, p.u);
        check(2, x, y, p.v);
      } else if (x % 2 == 0 && y % 2 == 0) {
        double u = 0;
        double v = 0;
        for (int dy = 0; dy < 2; ++dy) {
          for (int dx = -1; dx < 2; ++dx) {
            const Yuv q = at(x + dx, y + dy);
            u += q.u * (dx == 0 ? 2 : 1) / 8;
            v += q.v * (dx == 0 ? 2 : 1) / 8;
          }
        }
        check(1, x / 2, y / 2, u);
        check(2, x / 2, y / 2, v);
      }
    }
  }
  return worst;
}

RgbView rgb_view(const RgbPicture& p) { return {p.data(), p.stride(), p.size()}; }

std::vector<Isa> isas() {
  std::vector<Isa> all{Isa::Portable};
  for (const Isa isa : {Isa::Avx2, Isa::Avx512}) {
    if (isa <= best_isa()) all.push_back(isa);
  }
  return all;
}

}  // namespace

TEST_CASE("every kernel agrees with the real-valued conversion") {
  for (const PixelFormat source : kSources) {
    const RgbPicture picture({71, 5}, 12, static_cast<std::uint32_t>(source));
    for (const PixelFormat target : kTargets) {
      for (const ColourMatrix matrix : {ColourMatrix::BT601, ColourMatrix::BT709, ColourMatrix::BT2020}) {
        for (const ColourRange range : {ColourRange::Limited, ColourRange::Full}) {
          const ColourDescription colour{.matrix = matrix, .range = range};
          for (const Isa isa : isas()) {
            const YuvPicture out(target, picture.size());
            const auto convert = RgbToYuv::create(source, target, colour, isa);
            REQUIRE(convert);
            convert->convert(rgb_view(picture), out.view());
            const double worst = worst_error(picture, source, colour, out.view());
            INFO(name(source) << " -> " << name(target) << " matrix " << static_cast<int>(matrix) << " range "
                              << static_cast<int>(range) << " isa " << static_cast<int>(isa));
            REQUIRE(worst < 0.6);  // 0.5 is rounding
          }
        }
      }
    }
  }
}

TEST_CASE("the vector kernels give the same bits as the portable ones at every size, and stay inside their rows") {
  if (best_isa() == Isa::Portable) SKIP("this processor has no other kernels");
  const Isa fast = isas().at(GENERATE(range(std::size_t{1}, isas().size())));
  const std::array<std::uint32_t, 22> widths{1,  2,  3,  7,  8,  15, 16, 17, 30,  31,  32,
                                             33, 34, 47, 63, 64, 65, 95, 97, 128, 130, 195};
  for (const PixelFormat source : {PixelFormat::BGRx, PixelFormat::ABGR_210LE, PixelFormat::RGBx_102LE}) {
    for (const PixelFormat target : kTargets) {
      const auto slow_kernel = RgbToYuv::create(source, target, kBt709Limited, Isa::Portable);
      const auto fast_kernel = RgbToYuv::create(source, target, kBt709Limited, fast);
      REQUIRE(slow_kernel);
      REQUIRE(fast_kernel);
      for (const std::uint32_t width : widths) {
        for (const std::uint32_t height : {1U, 2U, 3U, 4U}) {
          const RgbPicture picture({width, height}, std::size_t{width % 3} * 7, width * 8 + height);
          const YuvPicture a(target, picture.size(), target == PixelFormat::NV12 ? 3U : 6U);
          const YuvPicture b(target, picture.size());
          slow_kernel->convert(rgb_view(picture), a.view());
          fast_kernel->convert(rgb_view(picture), b.view());
          const Difference d = difference(a.view(), b.view());
          INFO(name(source) << " -> " << name(target) << ' ' << width << 'x' << height << " component " << d.component
                            << " at " << d.x << ',' << d.y << ": " << d.a << " and " << d.b);
          REQUIRE_FALSE(d.found);
        }
      }
    }
  }
}

TEST_CASE("an area converts to the same samples as the whole picture and touches nothing else") {
  std::minstd_rand random(7);
  for (const Size size : {Size{133, 41}, Size{128, 38}}) {
    const RgbPicture picture(size, 20, 3);
    for (const PixelFormat target : kTargets) {
      const auto convert = RgbToYuv::create(PixelFormat::BGRx, target, kBt709Limited);
      REQUIRE(convert);
      const YuvPicture whole(target, size);
      convert->convert(rgb_view(picture), whole.view());
      for (int round = 0; round < 20; ++round) {
        const auto x = static_cast<std::int32_t>(random() % size.width);
        const auto y = static_cast<std::int32_t>(random() % size.height);
        const Rect area = chroma_reach(
            {x, y, static_cast<std::uint32_t>(random() % 60 + 1), static_cast<std::uint32_t>(random() % 30 + 1)}, size,
            yuv_layout(target).subsampled);
        const YuvPicture expected(target, size);
        expected.fill(std::byte{0x11});
        copy_rect(whole.view(), expected.view(), area);
        const YuvPicture part(target, size);
        part.fill(std::byte{0x11});
        convert->convert(rgb_view(picture), area, part.view());
        const Difference d = difference(expected.view(), part.view());
        INFO(name(target) << " area " << area.x << ',' << area.y << ' ' << area.width << 'x' << area.height);
        REQUIRE_FALSE(d.found);
      }
    }
  }
}

TEST_CASE("colour bars come out as the standards print them") {
  // 75 % bars: white, yellow, cyan, green, magenta, red, blue; the 8-bit values follow from the standards' equations
  // with 75 % = 191/255.
  struct Bars {
    ColourMatrix matrix;
    std::array<std::array<int, 3>, 7> yuv;
  };
  constexpr std::array<std::uint32_t, 7> rgb{0xbfbfbf, 0xbfbf00, 0x00bfbf, 0x00bf00, 0xbf00bf, 0xbf0000, 0x0000bf};
  constexpr std::array all{
      Bars{ColourMatrix::BT601,
           {{{180, 128, 128},
             {161, 44, 142},
             {131, 156, 44},
             {112, 72, 58},
             {84, 184, 198},
             {65, 100, 212},
             {35, 212, 114}}}},
      Bars{ColourMatrix::BT709,
           {{{180, 128, 128},
             {168, 44, 136},
             {145, 147, 44},
             {133, 63, 52},
             {63, 193, 204},
             {51, 109, 212},
             {28, 212, 120}}}},
  };
  for (const Bars& bars : all) {
    for (std::size_t i = 0; i < rgb.size(); ++i) {
      const RgbPicture picture({64, 4}, 0, 1);
      for (std::size_t y = 0; y < 4; ++y) {
        for (std::size_t x = 0; x < 64; ++x) picture.set(x, y, rgb.at(i));
      }
      const ColourDescription colour{.matrix = bars.matrix, .range = ColourRange::Limited};
      const auto convert = RgbToYuv::create(PixelFormat::BGRx, PixelFormat::NV12, colour);
      REQUIRE(convert);
      const YuvPicture out(PixelFormat::NV12, picture.size());
      convert->convert(rgb_view(picture), out.view());
      for (unsigned c = 0; c < 3; ++c) {
        INFO("bar " << i << " component " << c << " matrix " << static_cast<int>(bars.matrix));
        CHECK(sample(out.view(), c, 0, 0) == bars.yuv.at(i).at(c));
        CHECK(sample(out.view(), c, 31, 1) == bars.yuv.at(i).at(c));
      }
    }
  }
}

TEST_CASE("every grey is exactly neutral and black and white are exact") {
  for (const PixelFormat target : kTargets) {
    const unsigned unit = info(target).bits == 10 ? 4 : 1;
    for (const ColourMatrix matrix : {ColourMatrix::BT601, ColourMatrix::BT709, ColourMatrix::BT2020}) {
      for (const ColourRange range : {ColourRange::Limited, ColourRange::Full}) {
        const RgbPicture picture({256, 1}, 0, 1);
        for (std::uint32_t x = 0; x < 256; ++x) picture.set(x, 0, x * 0x010101U);
        const auto convert = RgbToYuv::create(PixelFormat::BGRx, target, {.matrix = matrix, .range = range});
        REQUIRE(convert);
        const YuvPicture out(target, picture.size());
        convert->convert(rgb_view(picture), out.view());
        const bool full = range == ColourRange::Full;
        CHECK(sample(out.view(), 0, 0, 0) == static_cast<int>(full ? 0 : 16 * unit));
        CHECK(sample(out.view(), 0, 255, 0) == static_cast<int>(full ? 256 * unit - 1 : 235 * unit));
        for (std::size_t x = 0; x < component_size(out.view(), 1).width; ++x) {
          REQUIRE(sample(out.view(), 1, x, 0) == static_cast<int>(128 * unit));
          REQUIRE(sample(out.view(), 2, x, 0) == static_cast<int>(128 * unit));
        }
      }
    }
  }
}

TEST_CASE("what is not RGB or not a surface format is refused") {
  CHECK(RgbToYuv::create(PixelFormat::NV12, PixelFormat::NV12, kBt709Limited).error().kind == ErrorKind::Unsupported);
  CHECK(RgbToYuv::create(PixelFormat::BGRx, PixelFormat::YUY2, kBt709Limited).error().kind == ErrorKind::Unsupported);
}
