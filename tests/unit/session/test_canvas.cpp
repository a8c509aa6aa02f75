#include "session/canvas.h"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>

using namespace zc;
using namespace std::chrono_literals;

TEST_CASE("a window's edge is dragged: one size of all is taken, when it has stood still") {
  Canvas canvas;
  Size coded{640, 480};
  Nanoseconds time{};
  for (std::uint32_t step = 0; step < 100; ++step) {
    time += 20ms;
    CHECK(canvas.on_picture({640 + step, 480 + step}, time, coded) == coded);
  }
  const Nanoseconds since = time - 20ms;  // 738x578 and 739x579 are coded alike
  CHECK(canvas.on_picture({739, 579}, since + Canvas::kStill - 1ns, coded) == coded);
  coded = canvas.on_picture({739, 579}, since + Canvas::kStill, coded);
  CHECK(coded == Size{738, 578});
  CHECK(canvas.on_picture({739, 579}, time + 10s, coded) == coded);
}

TEST_CASE("a size that comes and goes, or that the encoder does not take, changes nothing") {
  constexpr Size kCoded{640, 480};
  constexpr Size kOther{64, 48};
  Canvas canvas;
  CHECK(canvas.on_picture(kCoded, 0s, kCoded) == kCoded);
  CHECK(canvas.on_picture(kOther, 1s, kCoded) == kCoded);
  CHECK(canvas.on_picture(kCoded, 1200ms, kCoded) == kCoded);
  CHECK(canvas.on_picture(kOther, 1600ms, kCoded) == kCoded);
  CHECK(canvas.on_picture(kOther, 2100ms, kCoded) == kOther);
  canvas.refuse(kOther);
  CHECK(canvas.on_picture(kOther, 5s, kCoded) == kCoded);
}

TEST_CASE("a size that can be coded is even and not empty") {
  static_assert(coded_size({641, 480}) == Size{640, 480});
  static_assert(coded_size({1, 1}) == Size{2, 2});
}
