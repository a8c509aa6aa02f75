// A program of its own: it replaces operator new to count what a frame costs.
#include "unit/zerocopy/importer_support.h"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <new>

namespace {
// operator new has no other place to count.
std::atomic<bool> counting = false;        // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<std::size_t> allocations = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void* counted(std::size_t bytes) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(bytes)) return memory;  // NOLINT(cppcoreguidelines-no-malloc)
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }                           // NOLINT
void operator delete[](void* memory) noexcept { std::free(memory); }                         // NOLINT
void operator delete(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }    // NOLINT
void operator delete[](void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }  // NOLINT

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
    counting = true;
    const std::size_t failures = run(100);
    counting = false;
    CHECK(failures == 0);
    CHECK(allocations == 0);
  }
}
