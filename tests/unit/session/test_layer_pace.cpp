#include "session/layer_options.h"
#include "session/layer_pace.h"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <limits>

using namespace zc;
using namespace std::chrono_literals;

namespace {

constexpr Size kSurface{1920, 1080};

LayerPlace placed(LayerCorner at, Size picture, std::variant<std::monostate, double, Size> size = {},
                  std::uint32_t margin = 0) {
  LayerOptions options;
  options.at = at;
  options.size = size;
  options.margin = margin;
  return place_layer(options, picture, kSurface);
}

}  // namespace

TEST_CASE("while the main source moves it paces") {
  const std::array layers{LayerBeat{.newest = 1000ms, .interval = 33ms, .changed = true}};
  const MainBeat main{.newest = 990ms, .interval = 33ms};
  CHECK(layers_due(layers, main, 980ms, 1000ms) == 990ms + 66ms);  // not before it might have come
  CHECK_FALSE(layers_due(std::array{LayerBeat{.newest = 1000ms, .interval = 33ms}}, main, 980ms, 1000ms));
  // One that comes once a second counts as standing still between two pictures.
  CHECK(layers_due(layers, {.newest = 700ms, .interval = 1s}, 980ms, 1000ms) == 800ms);
}

TEST_CASE("when the main source stands still the fastest layer that moves paces") {
  const MainBeat still{.newest = 0ms, .interval = 33ms};
  LayerBeat fast{.newest = 1000ms, .interval = 20ms, .changed = true};
  LayerBeat slow{.newest = 995ms, .interval = 100ms, .changed = true};
  CHECK(layers_due(std::array{fast, slow}, still, 980ms, 1000ms) <= 1000ms);
  fast.changed = false;
  CHECK(layers_due(std::array{fast, slow}, still, 980ms, 1000ms) == 1010ms);  // along with the next of the fast one
  // A layer that has stopped leaves it to the others.
  fast.newest = 900ms;
  CHECK(layers_due(std::array{fast, slow}, still, 980ms, 1000ms) <= 1000ms);
  // What a user does is to be seen at once.
  LayerBeat moved{.changed = true, .at_once = true};
  fast = {.newest = 1000ms, .interval = 20ms};
  CHECK(layers_due(std::array{fast, moved}, still, 990ms, 1000ms) <= 1000ms);
  CHECK_FALSE(layers_due({}, still, 0ms, 1000ms));
}

TEST_CASE("a layer's picture keeps its shape, wherever it goes") {
  CHECK(placed({2, 2}, {1280, 720}, 25.0).box == Rect{1440, 810, 480, 270});
  CHECK(placed({2, 2}, {1280, 720}, 25.0, 16).box == Rect{1424, 794, 480, 270});
  CHECK(placed({0, 0}, {1280, 720}, 25.0, 16).box == Rect{16, 16, 480, 270});
  CHECK(placed({1, 1}, {640, 480}, Size{400, 400}).box == Rect{760, 390, 400, 300});
  CHECK(placed({0, 0}, {641, 481}).box == Rect{0, 0, 641, 481});      // its own size
  CHECK(placed({0, 0}, {3840, 2160}).box == Rect{0, 0, 1920, 1080});  // at most the surface's
  CHECK(placed({2, 0}, {64, 4096}, 100.0).box.height <= 2160);
  CHECK(placed({0, 0}, {}, 100.0).box.empty());
}

TEST_CASE("a layer may lie anywhere, in px or percent, and beyond the edge") {
  LayerOptions options;
  options.at = LayerPoint{{-10, false}, {50, true}};
  options.opacity = 50;
  options.radius = 12;
  const LayerPlace place = place_layer(options, {200, 100}, kSurface);
  CHECK(place.box == Rect{-10, 540, 200, 100});
  CHECK(place.opacity == 128);
  CHECK(place.radius == 12);
}
