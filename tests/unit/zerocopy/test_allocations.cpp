// A program of its own: it counts what a frame costs.
#include "support/count_allocations.h"
#include "unit/zerocopy/importer_support.h"

#include <catch2/catch_test_macros.hpp>

#include <array>

using namespace zc;
using namespace zc::test;

TEST_CASE("a hundred frames allocate nothing once the importer is warm") {
  struct Case {
    PixelFormat target = PixelFormat::NV12;
    Size surface;
    Transform transform = Transform::Normal;
  };
  const std::array cases{Case{PixelFormat::NV12, {320, 180}, Transform::Normal},
                         Case{PixelFormat::P010, {240, 180}, Transform::Normal},
                         Case{PixelFormat::I444, {180, 320}, Transform::Rot90}};
  for (const Case& c : cases) {
    const RgbPicture picture({320, 180}, 0, 1);
    const auto importer = importer_for({.format = c.target, .size = c.surface});
    const auto arrow = random_cursor({24, 24}, 1);
    const auto hand = random_cursor({32, 32}, 2);
    std::array<Surface, 4> held;  // what an encoder keeps
    const auto run = [&](int frames) {
      std::size_t failures = 0;
      for (int i = 0; i < frames; ++i) {
        Frame frame;
        if (i % 3 != 2) {
          frame.image = picture.image(PixelFormat::BGRx);
          frame.transform = c.transform;
          frame.damage = i % 10 == 0 ? Damage::all() : Damage::none();
          frame.damage.add({i % 200, i % 100, 60, 40});
        }
        frame.cursor = CursorState{.visible = i % 7 != 0,
                                   .position = {i * 5 % 340 - 10, i * 3 % 200 - 10},
                                   .hotspot = {1, 1},
                                   .bitmap = i % 20 < 10 ? arrow : hand};
        auto surface = importer->import(std::move(frame));
        if (!surface) {
          ++failures;
          continue;
        }
        held.at(static_cast<std::size_t>(i) % held.size()) = std::move(*surface);
      }
      return failures;
    };
    REQUIRE(run(40) == 0);
    allocations = 0;
    counting_all = true;
    const std::size_t failures = run(100);
    counting_all = false;
    CHECK(failures == 0);
    CHECK(allocations == 0);
  }
}
