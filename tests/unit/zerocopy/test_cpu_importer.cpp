#include "unit/zerocopy/importer_support.h"
#include "zerocopy/picture_plan.h"

#include <catch2/catch_test_macros.hpp>

#include <map>

using namespace zc;
using namespace zc::test;

namespace {

/// What a producer does to a picture it says has this transform: mirror it, then turn it counter-clockwise.
RgbPicture applied(Transform transform, const RgbPicture& picture) {
  const auto t = static_cast<unsigned>(transform);
  const auto [width, height] = picture.size();
  RgbPicture mirrored(picture.size(), 0, 0);
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) mirrored.set(t >= 4 ? width - 1 - x : x, y, picture.word(x, y));
  }
  RgbPicture current = std::move(mirrored);
  for (unsigned turn = 0; turn < t % 4; ++turn) {
    const auto [w, h] = current.size();
    RgbPicture turned({h, w}, 4, 0);
    for (std::size_t y = 0; y < h; ++y) {
      for (std::size_t x = 0; x < w; ++x) turned.set(y, w - 1 - x, current.word(x, y));
    }
    // RgbPicture cannot be assigned: the guard pages stay where they are.
    std::destroy_at(&current);
    std::construct_at(&current, std::move(turned));
  }
  return current;
}

}  // namespace

TEST_CASE("a picture arrives converted, tagged, aligned, and its lease goes back") {
  const RgbPicture picture({321, 43}, 8, 1);
  for (const PixelFormat target : kTargets) {
    const auto importer = importer_for({.format = target, .size = picture.size()});
    const auto counter = std::make_shared<LeaseCounter>();
    Frame frame = frame_of(picture);
    frame.lease = LeaseCounter::lease(counter);
    const auto surface = importer->import(std::move(frame));
    REQUIRE(surface);
    CHECK(counter->returned == 1);
    check_same(converted(picture, PixelFormat::BGRx, target).view(), view_of(*surface));
    const AVFrame* av = surface->av_frame();
    CHECK(av->width == 321);
    CHECK(av->height == 43);
    CHECK(av->color_range == AVCOL_RANGE_MPEG);
    CHECK(av->colorspace == AVCOL_SPC_BT709);
    CHECK(av->color_primaries == AVCOL_PRI_BT709);
    CHECK(av->color_trc == AVCOL_TRC_BT709);
    CHECK(av->chroma_location == (yuv_layout(target).subsampled ? AVCHROMA_LOC_LEFT : AVCHROMA_LOC_UNSPECIFIED));
    for (unsigned i = 0; i < info(target).planes; ++i) {
      CHECK(av->linesize[i] % 64 == 0);
      CHECK(reinterpret_cast<std::uintptr_t>(av->data[i]) % 64 == 0);
    }
  }
}

TEST_CASE("a crop may begin at any pixel") {
  const RgbPicture picture({97, 53}, 0, 2);
  for (const Rect crop : {Rect{1, 1, 64, 32}, Rect{32, 20, 65, 33}, Rect{3, 0, 33, 53}}) {
    const RgbPicture cut(crop.size(), 0, 0);
    for (std::size_t y = 0; y < crop.height; ++y) {
      for (std::size_t x = 0; x < crop.width; ++x) {
        cut.set(x, y, picture.word(x + static_cast<std::size_t>(crop.x), y + static_cast<std::size_t>(crop.y)));
      }
    }
    const auto importer = importer_for({.format = PixelFormat::NV12, .size = crop.size()});
    Frame frame = frame_of(picture);
    frame.crop = crop;
    const auto surface = importer->import(std::move(frame));
    REQUIRE(surface);
    check_same(converted(cut, PixelFormat::BGRx, PixelFormat::NV12).view(), view_of(*surface));
  }
}

TEST_CASE("every orientation a producer may give its buffer is undone") {
  const RgbPicture upright({90, 51}, 0, 3);
  for (unsigned t = 0; t < 8; ++t) {
    const auto transform = static_cast<Transform>(t);
    const RgbPicture buffer = applied(transform, upright);
    for (const PixelFormat target : {PixelFormat::NV12, PixelFormat::I410}) {
      const auto importer = importer_for({.format = target, .size = upright.size()});
      Frame frame = frame_of(buffer);
      frame.transform = transform;
      const auto surface = importer->import(std::move(frame));
      REQUIRE(surface);
      INFO("transform " << t);
      check_same(converted(upright, PixelFormat::BGRx, target).view(), view_of(*surface));
    }
  }
}

TEST_CASE("rectangles follow the transform there and back") {
  const Size size{90, 50};
  for (unsigned t = 0; t < 8; ++t) {
    const auto transform = static_cast<Transform>(t);
    const Rect rect{7, 11, 20, 5};
    const Rect shown = shown_rect(transform, size, rect);
    CHECK(source_rect(transform, size, shown) == rect);
    CHECK(shown.size().area() == rect.size().area());
  }
  CHECK(shown_rect(Transform::Rot90, size, {0, 0, 1, 1}) == Rect{49, 0, 1, 1});
  CHECK(shown_rect(Transform::Rot270, size, {0, 0, 1, 1}) == Rect{0, 89, 1, 1});
}

TEST_CASE("an odd window on an even surface is padded by its own edge, not scaled") {
  const RgbPicture picture({63, 35}, 0, 4);
  for (const PixelFormat target : kTargets) {
    const auto importer = importer_for({.format = target, .size = {64, 36}});
    const auto surface = importer->import(frame_of(picture));
    REQUIRE(surface);
    const YuvView got = view_of(*surface);
    check_same(converted(picture, PixelFormat::BGRx, target).view(), [&] {
      YuvView view = got;
      view.size = picture.size();
      return view;
    }());
    for (std::size_t y = 0; y < 35; ++y) CHECK(sample(got, 0, 63, y) == sample(got, 0, 62, y));
    for (std::size_t x = 0; x < 64; ++x) CHECK(sample(got, 0, x, 35) == sample(got, 0, x, 34));
    const Size chroma = component_size(got, 1);
    const std::size_t before = yuv_layout(target).subsampled ? 1 : 2;
    if (before == 2) CHECK(sample(got, 1, chroma.width - 1, 0) == sample(got, 1, chroma.width - 2, 0));
  }
}

TEST_CASE("another aspect ratio is scaled between bars of the target's black") {
  const RgbPicture picture({100, 100}, 0, 0);
  for (std::size_t y = 0; y < 100; ++y) {
    for (std::size_t x = 0; x < 100; ++x) picture.set(x, y, 0xff'c0'40'20);
  }
  for (const PixelFormat target : kTargets) {
    for (const ColourRange range : {ColourRange::Limited, ColourRange::Full}) {
      ColourDescription colour = kBt709Limited;
      colour.range = range;
      const auto importer = importer_for({.format = target, .size = {128, 72}, .colour = colour});
      const auto surface = importer->import(frame_of(picture));
      REQUIRE(surface);
      const YuvView got = view_of(*surface);
      const YuvPicture flat = converted(picture, PixelFormat::BGRx, target, colour);
      const int unit = info(target).bits == 10 ? 4 : 1;
      const int black = range == ColourRange::Full ? 0 : 16 * unit;
      const Rect box = letterbox({100, 100}, {128, 72});
      for (std::size_t y = 0; y < 72; ++y) {
        for (std::size_t x = 0; x < 128; ++x) {
          const bool inside = static_cast<int>(x) >= box.x && x < static_cast<std::size_t>(box.x) + box.width;
          REQUIRE(std::abs(sample(got, 0, x, y) - (inside ? sample(flat.view(), 0, 0, 0) : black)) <= (inside ? 1 : 0));
        }
      }
      CHECK(sample(got, 1, 0, 0) == 128 * unit);
      CHECK(sample(got, 2, 0, 0) == 128 * unit);
      const Size chroma = component_size(got, 2);
      CHECK(std::abs(sample(got, 2, chroma.width / 2, chroma.height / 2) - sample(flat.view(), 2, 0, 0)) <= 1);
    }
  }
}

TEST_CASE("shrinking averages areas") {
  const RgbPicture picture({256, 144}, 0, 5);
  const auto importer = importer_for({.format = PixelFormat::I420, .size = {128, 72}});
  const auto surface = importer->import(frame_of(picture));
  REQUIRE(surface);
  const YuvPicture whole = converted(picture, PixelFormat::BGRx, PixelFormat::I420);
  for (std::size_t y = 0; y < 72; ++y) {
    for (std::size_t x = 0; x < 128; ++x) {
      int sum = 0;
      for (std::size_t i = 0; i < 4; ++i) sum += sample(whole.view(), 0, 2 * x + i % 2, 2 * y + i / 2);
      REQUIRE(std::abs(sample(view_of(*surface), 0, x, y) * 4 - sum) <= 6);
    }
  }
}

TEST_CASE("camera formats reach every target") {
  // A flat picture of Y 100, U 90, V 160 in each layout.
  const Size size{66, 34};
  for (const PixelFormat source : {PixelFormat::YUY2, PixelFormat::UYVY, PixelFormat::NV12, PixelFormat::I420}) {
    HostImage image;
    image.format = source;
    image.size = size;
    std::vector<GuardedBuffer> planes;
    for (unsigned i = 0; i < info(source).planes; ++i) {
      const std::size_t stride = row_bytes(source, i, size.width);
      planes.emplace_back(stride * plane_height(source, i, size.height));
      image.planes.at(i) = {planes.back().data(), static_cast<std::uint32_t>(stride)};
      // The bytes of plane `i`, repeating every four.
      const std::map<PixelFormat, std::array<int, 4>> packed{{PixelFormat::YUY2, {100, 90, 100, 160}},
                                                             {PixelFormat::UYVY, {90, 100, 160, 100}},
                                                             {PixelFormat::NV12, {90, 160, 90, 160}}};
      const int planar = i == 1 ? 90 : 160;
      const auto known = packed.find(source);
      const auto pattern = known != packed.end() ? known->second : std::array<int, 4>{planar, planar, planar, planar};
      for (std::size_t b = 0; b < planes.back().size(); ++b) {
        const bool luma = i == 0 && info(source).planes > 1;
        planes.back().data()[b] = static_cast<std::byte>(luma ? 100 : pattern.at(b % 4));
      }
    }
    for (const PixelFormat target : kTargets) {
      for (const Size out : {size, Size{132, 68}, Size{34, 66}}) {
        const auto importer = importer_for({.format = target, .size = out});
        Frame frame;
        frame.image = image;
        frame.transform = out.width < out.height ? Transform::Rot90 : Transform::Normal;
        const auto surface = importer->import(std::move(frame));
        REQUIRE(surface);
        const int unit = info(target).bits == 10 ? 4 : 1;
        const std::array<int, 3> expected{100 * unit, 90 * unit, 160 * unit};
        for (unsigned c = 0; c < 3; ++c) {
          const Size plane = component_size(view_of(*surface), c);
          INFO(name(source) << " -> " << name(target) << ' ' << out.width << 'x' << out.height << " component " << c);
          REQUIRE(sample(view_of(*surface), c, 0, 0) == expected.at(c));
          REQUIRE(sample(view_of(*surface), c, plane.width - 1, plane.height - 1) == expected.at(c));
        }
      }
    }
  }
}

TEST_CASE("the format and the size may change from frame to frame") {
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = {64, 36}});
  const RgbPicture small({64, 36}, 0, 6);
  const RgbPicture large({128, 72}, 0, 7);
  for (int round = 0; round < 2; ++round) {
    const auto a = importer->import(frame_of(small));
    REQUIRE(a);
    check_same(converted(small, PixelFormat::BGRx, PixelFormat::NV12).view(), view_of(*a));
    Frame other = frame_of(small, PixelFormat::xBGR_210LE);
    other.damage = Damage::none();  // true of the pixels' words, not of what they mean now
    const auto b = importer->import(std::move(other));
    REQUIRE(b);
    check_same(converted(small, PixelFormat::xBGR_210LE, PixelFormat::NV12).view(), view_of(*b));
    REQUIRE(importer->import(frame_of(large)));
  }
}
