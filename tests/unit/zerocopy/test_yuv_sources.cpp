// Pictures that are YUV already: their matrix, range, depth and chroma brought to the surface's, against arithmetic of
// the test's own.
#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cmath>

#include "unit/zerocopy/importer_support.h"

using namespace zc;
using namespace zc::test;

namespace {

/// Kr and Kb of ITU-R BT.601, BT.709 and BT.2020.
struct Weights {
  double red, blue;
};
Weights weights(ColourMatrix matrix) {
  if (matrix == ColourMatrix::BT601) return {0.299, 0.114};
  if (matrix == ColourMatrix::BT2020) return {0.2627, 0.0593};
  return {0.2126, 0.0722};
}

/// Code values of a colour, of that depth: H.273, 8.3.
std::array<double, 3> coded(const std::array<double, 3>& rgb, const ColourDescription& colour, unsigned bits) {
  const auto [kr, kb] = weights(colour.matrix);
  const double y = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2];
  const double cb = (rgb[2] - y) / (2 * (1 - kb));
  const double cr = (rgb[0] - y) / (2 * (1 - kr));
  const double unit = 1 << (bits - 8);
  if (colour.range == ColourRange::Full) {
    const double most = (1 << bits) - 1;
    return {y * most, cb * most + 128 * unit, cr * most + 128 * unit};
  }
  return {(219 * y + 16) * unit, (224 * cb + 128) * unit, (224 * cr + 128) * unit};
}

/// One colour everywhere.
class FlatPicture {
 public:
  FlatPicture(PixelFormat format, Size size, const std::array<double, 3>& code) : picture_(format, size) {
    const PixelFormatInfo& of = info(format);
    std::array<unsigned, 3> value{};
    for (std::size_t i = 0; i < 3; ++i) value.at(i) = static_cast<unsigned>(std::lround(code.at(i)));
    const unsigned shift = format == PixelFormat::P010 ? 6 : 0;
    for (unsigned plane = 0; plane < of.planes; ++plane) {
      const YuvView::Plane& at = picture_.view().planes.at(plane);
      const std::uint64_t bytes = row_bytes(format, plane, size.width);
      for (std::uint32_t y = 0; y < plane_height(format, plane, size.height); ++y) {
        std::byte* row = at.data + y * at.stride_bytes;
        for (std::uint64_t x = 0; x < bytes; x += of.bits > 8 ? 2 : 1) {
          const std::uint64_t index = of.bits > 8 ? x / 2 : x;
          const unsigned component = component_of(format, plane, index);
          const auto wide = static_cast<std::uint16_t>(value.at(component) << shift);
          std::memcpy(row + x, &wide, of.bits > 8 ? 2 : 1);
        }
      }
    }
  }
  [[nodiscard]] Frame frame(const ColourDescription& colour) const {
    const YuvView& view = picture_.view();
    HostImage image{.format = view.format, .size = view.size, .planes = {}, .mapping = nullptr};
    for (std::size_t i = 0; i < image.planes.size(); ++i) {
      image.planes.at(i) = {view.planes.at(i).data, static_cast<std::uint32_t>(view.planes.at(i).stride_bytes)};
    }
    Frame frame;
    frame.image = image;
    frame.colour = colour;
    return frame;
  }

 private:
  static unsigned component_of(PixelFormat format, unsigned plane, std::uint64_t index) {
    switch (format) {
      case PixelFormat::YUY2: return index % 2 == 0 ? 0 : index % 4 == 1 ? 1 : 2;
      case PixelFormat::UYVY: return index % 2 == 1 ? 0 : index % 4 == 0 ? 1 : 2;
      case PixelFormat::NV12:
      case PixelFormat::P010: return plane == 0 ? 0 : 1 + static_cast<unsigned>(index % 2);
      default: return plane;
    }
  }
  YuvPicture picture_;
};

constexpr std::array kSources = {PixelFormat::YUY2, PixelFormat::UYVY, PixelFormat::NV12,
                                 PixelFormat::I420, PixelFormat::I422, PixelFormat::P010,
                                 PixelFormat::I010, PixelFormat::I444, PixelFormat::I410};
constexpr std::array<std::array<double, 3>, 6> kColours{
    {{0.9, 0.1, 0.1}, {0.1, 0.8, 0.2}, {0.1, 0.2, 0.9}, {0.5, 0.5, 0.5}, {1, 1, 1}, {0, 0, 0}}};

void check_flat(const Surface& surface, const std::array<double, 3>& expected, double slack) {
  const YuvView view = view_of(surface);
  for (unsigned component = 0; component < 3; ++component) {
    const Size size = component_size(view, component);
    double worst = 0;
    for (std::uint32_t y = 0; y < size.height; ++y) {
      for (std::uint32_t x = 0; x < size.width; ++x) {
        worst = std::max(worst, std::abs(sample(view, component, x, y) - expected.at(component)));
      }
    }
    INFO("component " << component << " should be " << expected.at(component));
    CHECK(worst <= slack);
  }
}

}  // namespace

TEST_CASE("a picture's matrix and range become the surface's") {
  const PixelFormat source = GENERATE(from_range(kSources));
  const PixelFormat target = GENERATE(from_range(kTargets));
  INFO(name(source) << " to " << name(target));
  const ColourDescription jpeg{ColourMatrix::BT601, ColourRange::Full, ColourPrimaries::BT709, TransferFunction::SRGB};
  ColourDescription limited = jpeg;
  limited.range = ColourRange::Limited;
  for (const ColourDescription& from : {jpeg, limited, kBt709Limited}) {
    for (const auto& colour : kColours) {
      const FlatPicture picture(source, {48, 34}, coded(colour, from, info(source).bits));
      const auto importer = importer_for({.format = target, .size = {48, 34}});
      const auto surface = importer->import(picture.frame(from));
      if (!surface) FAIL(surface.error().message());
      // Half a step when it was coded, as much when it is coded again; of 8 bits in 10 four times that.
      const double step = info(source).bits < info(target).bits ? 4 : 1;
      check_flat(*surface, coded(colour, kBt709Limited, info(target).bits), 0.5 + step);
    }
  }
}

TEST_CASE("what a picture does not say is the surface's, and stays as it is") {
  const PixelFormat source = GENERATE(from_range(kSources));
  const FlatPicture picture(source, {32, 18}, coded({0.3, 0.6, 0.2}, kBt709Limited, info(source).bits));
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = {32, 18}});
  const auto surface = importer->import(picture.frame({}));
  REQUIRE(surface);
  check_flat(*surface, coded({0.3, 0.6, 0.2}, kBt709Limited, 8), 1);
}

TEST_CASE("a stream that changes what its numbers mean is followed") {
  const ColourDescription full{ColourMatrix::BT709, ColourRange::Full, {}, {}};
  const FlatPicture limited_white(PixelFormat::I420, {32, 18}, {235, 128, 128});
  const FlatPicture full_white(PixelFormat::I420, {32, 18}, {255, 128, 128});
  const auto importer = importer_for({.format = PixelFormat::I420, .size = {32, 18}});
  for (int round = 0; round < 2; ++round) {
    const auto a = importer->import(limited_white.frame(kBt709Limited));
    REQUIRE(a);
    check_flat(*a, {235, 128, 128}, 0);
    const auto b = importer->import(full_white.frame(full));
    REQUIRE(b);
    check_flat(*b, {235, 128, 128}, 0);
  }
}

TEST_CASE("decoded pictures of odd sizes, turned, cut and scaled, keep to their memory") {
  const PixelFormat source = GENERATE(from_range(kSources));
  const PixelFormat target = GENERATE(from_range(kTargets));
  const auto transform = static_cast<Transform>(GENERATE(0, 1, 2, 3, 5));
  INFO(name(source) << " to " << name(target) << ", transform " << static_cast<int>(transform));
  const Size size{37, 21};
  const auto code = coded({0.7, 0.3, 0.5}, kBt709Limited, info(source).bits);
  const FlatPicture picture(source, size, code);
  for (const Size surface_size : {size, Size{64, 64}, Size{20, 20}}) {
    for (const Rect crop : {Rect{}, Rect{3, 5, 20, 11}}) {
      Frame frame = picture.frame(kBt709Limited);
      frame.transform = transform;
      frame.crop = crop;
      const auto importer = importer_for({.format = target, .size = surface_size});
      const auto surface = importer->import(std::move(frame));
      if (!surface) FAIL(surface.error().message());
      const YuvView view = view_of(*surface);
      const double step = info(source).bits < info(target).bits ? 4 : 1;
      const int middle = sample(view, 0, view.size.width / 2, view.size.height / 2);
      CHECK(std::abs(middle - coded({0.7, 0.3, 0.5}, kBt709Limited, info(target).bits)[0]) <= 0.5 + step);
    }
  }
}

TEST_CASE("full depth and full chroma arrive") {
  // Every luma value of 10 bits, and chroma that changes from pixel to pixel.
  constexpr Size kSize{1024, 4};
  const YuvPicture source(PixelFormat::I410, kSize);
  for (unsigned plane = 0; plane < 3; ++plane) {
    for (std::uint32_t y = 0; y < kSize.height; ++y) {
      for (std::uint32_t x = 0; x < kSize.width; ++x) {
        const auto value = static_cast<std::uint16_t>(plane == 0 ? x : (x * 7 + y * 3 + plane) % 1024);
        std::memcpy(source.view().planes.at(plane).data + y * source.view().planes.at(plane).stride_bytes + x * 2,
                    &value, 2);
      }
    }
  }
  HostImage image{.format = PixelFormat::I410, .size = kSize, .planes = {}, .mapping = nullptr};
  for (std::size_t i = 0; i < 3; ++i) {
    image.planes.at(i) = {source.view().planes.at(i).data,
                          static_cast<std::uint32_t>(source.view().planes.at(i).stride_bytes)};
  }
  Frame frame;
  frame.image = image;
  frame.colour = kBt709Limited;
  const auto importer = importer_for({.format = PixelFormat::I410, .size = kSize});
  const auto surface = importer->import(std::move(frame));
  REQUIRE(surface);
  check_same(source.view(), view_of(*surface));
}

TEST_CASE("a picture becomes RGB where that is wanted: a snapshot, 4:4:4 without a matrix") {
  const PixelFormat source = GENERATE(from_range(kSources));
  const PixelFormat target = GENERATE(PixelFormat::I444, PixelFormat::I410);
  INFO(name(source) << " to " << name(target));
  ColourDescription jpeg{ColourMatrix::BT601, ColourRange::Full, ColourPrimaries::BT709, TransferFunction::SRGB};
  for (const ColourDescription& from : {jpeg, kBt709Limited}) {
    for (const auto& colour : kColours) {
      const FlatPicture picture(source, {48, 34}, coded(colour, from, info(source).bits));
      const auto importer = importer_for({.format = target, .size = {48, 34}, .colour = kRgbFull});
      const auto surface = importer->import(picture.frame(from));
      if (!surface) FAIL(surface.error().message());
      const double most = (1 << info(target).bits) - 1;
      // A step of luma and of chroma each count; blue and red have up to 2.1 of chroma.
      const double step = info(source).bits < info(target).bits ? 4 : 1;
      check_flat(*surface, {colour[1] * most, colour[2] * most, colour[0] * most}, 0.5 + 2 * step);
    }
  }
}
