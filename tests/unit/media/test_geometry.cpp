#include "media/geometry.h"

#include <catch2/catch_test_macros.hpp>

using namespace zc;

TEST_CASE("intersect survives foreign values") {
  CHECK(intersect({0, 0, 10, 10}, {5, 5, 10, 10}) == Rect{5, 5, 5, 5});
  CHECK(intersect({0, 0, 10, 10}, {10, 0, 5, 5}).empty());
  CHECK(intersect({0, 0, 100, 100}, {-5, -5, 0xffffffff, 0xffffffff}) == Rect{0, 0, 100, 100});
  CHECK(intersect({0, 0, 100, 100}, {INT32_MAX, INT32_MAX, 0xffffffff, 1}).empty());
}

TEST_CASE("bounding ignores empty rectangles") {
  CHECK(bounding({}, {3, 4, 5, 6}) == Rect{3, 4, 5, 6});
  CHECK(bounding({-1, 0, 1, 1}, {3, 4, 5, 6}) == Rect{-1, 0, 9, 10});
}

TEST_CASE("letterbox keeps the aspect ratio and chroma alignment") {
  CHECK(letterbox({1920, 1080}, {1280, 720}) == Rect{0, 0, 1280, 720});
  CHECK(letterbox({1000, 1000}, {1280, 720}) == Rect{280, 0, 720, 720});
  CHECK(letterbox({1280, 720}, {720, 720}) == Rect{0, 158, 720, 404});
  CHECK(letterbox({1366, 768}, {1366, 768}) == Rect{0, 0, 1366, 768});
  CHECK(letterbox({1367, 769}, {1366, 768}) == Rect{0, 0, 1366, 768});
  const Rect thin = letterbox({10000, 1}, {640, 360});
  CHECK(thin.height == 2);
  CHECK(thin.y % 2 == 0);
}
