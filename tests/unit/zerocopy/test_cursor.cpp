#include "unit/zerocopy/importer_support.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace zc;
using namespace zc::test;

namespace {

/// The picture with the cursor blended in RGB, in double precision rounded once: the reference.
RgbPicture blended(const RgbPicture& picture, const CursorBitmap& cursor, Point at) {
  RgbPicture out(picture.size(), 0, 0);
  const RgbFields from = rgb_fields(cursor.format);
  for (std::uint32_t y = 0; y < picture.size().height; ++y) {
    for (std::uint32_t x = 0; x < picture.size().width; ++x) {
      const std::uint32_t old = picture.word(x, y);
      const std::int64_t cx = std::int64_t{x} - at.x;
      const std::int64_t cy = std::int64_t{y} - at.y;
      if (cx < 0 || cy < 0 || cx >= cursor.size.width || cy >= cursor.size.height) {
        out.set(x, y, old);
        continue;
      }
      const std::byte* pixel =
          cursor.pixels.data() + (static_cast<std::size_t>(cy) * cursor.size.width + static_cast<std::size_t>(cx)) * 4;
      const auto alpha = std::to_integer<unsigned>(pixel[from.alpha]);
      const auto mix = [&](unsigned field, unsigned shift) {
        const unsigned base = (old >> shift) & 0xffU;
        return (std::to_integer<unsigned>(pixel[field]) + (base * (255 - alpha) + 127) / 255) << shift;
      };
      out.set(x, y, mix(from.blue, 0) | mix(from.green, 8) | mix(from.red, 16));
    }
  }
  return out;
}

Frame with_cursor(const RgbPicture& picture, const std::shared_ptr<const CursorBitmap>& bitmap, Point position) {
  Frame frame = frame_of(picture);
  frame.cursor = CursorState{.visible = true, .position = position, .hotspot = {}, .bitmap = bitmap};
  return frame;
}

}  // namespace

TEST_CASE("blending in YUV equals blending in RGB where chroma is not subsampled") {
  const RgbPicture picture({64, 40}, 0, 1);
  for (const PixelFormat format : {PixelFormat::BGRA, PixelFormat::RGBA, PixelFormat::ARGB, PixelFormat::ABGR}) {
    const auto bitmap = random_cursor({20, 14}, 5, format);
    for (const Point at : {Point{11, 7}, Point{-5, -5}, Point{55, 33}}) {
      const RgbPicture reference = blended(picture, *bitmap, at);
      for (const PixelFormat target : {PixelFormat::I444, PixelFormat::I410}) {
        const auto surface =
            importer_for({.format = target, .size = {64, 40}})->import(with_cursor(picture, bitmap, at));
        REQUIRE(surface);
        const YuvPicture expected = converted(reference, PixelFormat::BGRx, target);
        // The reference itself is rounded to 8 bits once, which is up to two code values of 10 bits.
        const Difference d = difference(expected.view(), view_of(*surface), target == PixelFormat::I444 ? 1 : 3);
        INFO(name(format) << ' ' << name(target) << " component " << d.component << " at " << d.x << ',' << d.y << ": "
                          << d.a << " and " << d.b);
        REQUIRE_FALSE(d.found);
      }
    }
  }
}

TEST_CASE("subsampled chroma under a cursor equals the blend in RGB over a flat picture") {
  const RgbPicture picture({64, 40}, 0, 1);
  for (std::size_t y = 0; y < 40; ++y) {
    for (std::size_t x = 0; x < 64; ++x) picture.set(x, y, 0x00'30'90'c0);
  }
  const auto bitmap = random_cursor({20, 14}, 6);
  for (const Point at : {Point{10, 6}, Point{11, 7}, Point{-5, -5}, Point{55, 33}}) {
    const RgbPicture reference = blended(picture, *bitmap, at);
    for (const PixelFormat target : {PixelFormat::NV12, PixelFormat::I420, PixelFormat::P010, PixelFormat::I010}) {
      const auto surface = importer_for({.format = target, .size = {64, 40}})->import(with_cursor(picture, bitmap, at));
      REQUIRE(surface);
      const YuvPicture expected = converted(reference, PixelFormat::BGRx, target);
      const Difference d = difference(expected.view(), view_of(*surface), info(target).bits == 10 ? 3 : 1);
      INFO(name(target) << " component " << d.component << " at " << d.x << ',' << d.y << ": " << d.a << " and "
                        << d.b);
      REQUIRE_FALSE(d.found);
    }
  }
}

TEST_CASE("the cursor follows crop, transform and scale") {
  // An opaque white block on black; its place in the surface is what counts.
  const RgbPicture picture({160, 90}, 0, 0);
  std::ranges::fill(picture.bytes(), std::byte{0});
  auto block = std::make_shared<CursorBitmap>();
  block->size = {8, 8};
  block->pixels.assign(std::size_t{8} * 8 * 4, std::byte{0xff});
  struct Case {
    Rect crop;
    Transform transform = Transform::Normal;
    Size surface;
    Point centre;  ///< of the block in the surface
  };
  const std::array cases{
      Case{{}, Transform::Normal, {160, 90}, {44, 24}},  Case{{10, 4, 100, 60}, Transform::Normal, {100, 60}, {34, 20}},
      Case{{}, Transform::Rot90, {90, 160}, {66, 44}},   Case{{}, Transform::Rot180, {160, 90}, {116, 66}},
      Case{{}, Transform::Rot270, {90, 160}, {24, 116}}, Case{{}, Transform::Flipped, {160, 90}, {116, 24}},
      Case{{}, Transform::Normal, {320, 180}, {88, 48}}, Case{{}, Transform::Normal, {80, 45}, {22, 12}}};
  for (const Case& c : cases) {
    const auto importer = importer_for({.format = PixelFormat::NV12, .size = c.surface});
    Frame frame = frame_of(picture);
    frame.crop = c.crop;
    frame.transform = c.transform;
    frame.cursor = CursorState{.visible = true, .position = {42, 23}, .hotspot = {2, 3}, .bitmap = block};
    const auto surface = importer->import(std::move(frame));
    REQUIRE(surface);
    const YuvView view = view_of(*surface);
    std::size_t white = 0;
    double x_sum = 0;
    double y_sum = 0;
    for (std::size_t y = 0; y < c.surface.height; ++y) {
      for (std::size_t x = 0; x < c.surface.width; ++x) {
        if (sample(view, 0, x, y) < 128) continue;
        ++white;
        x_sum += static_cast<double>(x) + 0.5;
        y_sum += static_cast<double>(y) + 0.5;
      }
    }
    const double scale = c.transform == Transform::Normal && c.crop.empty() ? c.surface.width / 160.0 : 1;
    INFO("surface " << c.surface.width << 'x' << c.surface.height);
    REQUIRE(white == static_cast<std::size_t>(64 * scale * scale));
    CHECK(sample(view, 0, static_cast<std::size_t>(c.centre.x), static_cast<std::size_t>(c.centre.y)) == 235);
    CHECK(sample(view, 0, 0, 0) == 16);
    CHECK(x_sum / static_cast<double>(white) == c.centre.x);
    CHECK(y_sum / static_cast<double>(white) == c.centre.y);
  }
}
