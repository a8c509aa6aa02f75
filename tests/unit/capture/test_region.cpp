#include "capture/region.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <memory>
#include <string>

using namespace zc;

namespace {

std::string refusal(std::string_view text) {
  const auto region = parse_region(text);
  REQUIRE_FALSE(region);
  CHECK(region.error().kind == ErrorKind::Invalid);
  return region.error().message();
}

Frame frame_of(Size size, Transform transform) {
  Frame frame;
  HostImage image;
  image.size = size;
  frame.image = image;
  frame.transform = transform;
  return frame;
}

}  // namespace

TEST_CASE("a region reads as slurp prints it") {
  CHECK(parse_region("100,50 1280x720") == Rect{100, 50, 1280, 720});
  CHECK(parse_region("-1920,0 1x1") == Rect{-1920, 0, 1, 1});
  CHECK(parse_region("0,-1080 16384x16384") == Rect{0, -1080, 16384, 16384});
  for (const char* text : {"100,50 1280x720", "-1920,-7 801x601"})
    CHECK(region_text(parse_region(text).value()) == text);
}

TEST_CASE("what is no region says what one looks like") {
  for (const char* text : {"", "1,2", "1,2 3", "1,2 3x", "1 2 3x4", "1,2  3x4", "1,2 3x4 ", "a,2 3x4", "--1,2 3x4",
                           "1,2 -3x4", "1,2 3x4x5", "1.5,2 3x4", "99999999999,2 3x4", "3x4+1+2"}) {
    INFO(text);
    CHECK(refusal(text).find("is not a region; the form is slurp's") != std::string::npos);
  }
  CHECK(refusal("1,2 0x4").find("is empty") != std::string::npos);
  CHECK(refusal("1,2 16385x4").find("larger than any desktop") != std::string::npos);
}

TEST_CASE("a region's part of a picture") {
  SECTION("as many pixels as logical ones") {
    CHECK(region_in_picture({10, 20, 30, 40}, {0, 0, 640, 360}, {640, 360}) == Rect{10, 20, 30, 40});
    CHECK(region_in_picture({-10, 350, 30, 40}, {0, 0, 640, 360}, {640, 360}) == Rect{0, 350, 20, 10});
    CHECK(region_in_picture({650, 7, 30, 40}, {640, 0, 640, 360}, {640, 360}) == Rect{10, 7, 30, 40});
  }
  SECTION("finer") { CHECK(region_in_picture({11, 20, 3, 4}, {10, 20, 320, 180}, {640, 360}) == Rect{2, 0, 6, 8}); }
  SECTION("a scale of 1.5: every pixel that it touches") {
    CHECK(region_in_picture({1, 0, 1, 1}, {0, 0, 100, 100}, {150, 150}) == Rect{1, 0, 2, 2});
  }
  SECTION("none of it") {
    CHECK(region_in_picture({640, 0, 10, 10}, {0, 0, 640, 360}, {640, 360}).empty());
    CHECK(region_in_picture({0, 0, 10, 10}, {0, 0, 640, 360}, {}).empty());
  }
}

TEST_CASE("a frame is cropped to a region whichever way it is turned") {
  // Seen, each of them is 640x360; the region is 100x50 of it at 20,10.
  const auto [transform, crop] = GENERATE(table<Transform, Rect>({
      {Transform::Normal, {20, 10, 100, 50}},
      {Transform::Rot90, {10, 640 - 120, 50, 100}},
      {Transform::Rot180, {640 - 120, 360 - 60, 100, 50}},
      {Transform::Rot270, {360 - 60, 20, 50, 100}},
      {Transform::Flipped, {640 - 120, 10, 100, 50}},
      {Transform::Flipped180, {20, 360 - 60, 100, 50}},
  }));
  const Size buffer = swaps_axes(transform) ? Size{360, 640} : Size{640, 360};
  Frame frame = frame_of(buffer, transform);
  REQUIRE(crop_to_region(frame, {120, 110, 100, 50}, {100, 100, 640, 360}));
  CHECK(frame.crop == crop);
  CHECK(frame.visible_size() == Size{100, 50});
}

TEST_CASE("a region that is all of the frame is no crop, one beside it none of it") {
  Frame frame = frame_of({640, 360}, Transform::Normal);
  REQUIRE(crop_to_region(frame, {-5, -5, 2000, 2000}, {0, 0, 640, 360}));
  CHECK(frame.crop.empty());
  CHECK_FALSE(crop_to_region(frame, {640, 0, 5, 5}, {0, 0, 640, 360}));
}
