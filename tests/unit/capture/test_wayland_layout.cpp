#include "capture/wayland_outputs.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

using namespace zc;

namespace {

std::vector<WaylandOutput> two() {
  WaylandOutput left;
  left.name = "DP-1";
  left.place = {0, 0, 640, 360};
  WaylandOutput right;
  right.name = "eDP-1";
  right.place = {640, 40, 320, 200};
  return {left, right};
}
using Chosen = std::vector<std::size_t>;

}  // namespace

TEST_CASE("outputs are chosen by name, by region, or because there is only one") {
  const auto outputs = two();
  CHECK(choose_outputs("wayland", "eDP-1", std::nullopt, outputs) == Chosen{1});
  CHECK(choose_outputs("wayland", "", Rect{600, 50, 100, 100}, outputs) == Chosen{0, 1});
  CHECK(choose_outputs("wayland", "", Rect{600, 0, 100, 40}, outputs) == Chosen{0});
  CHECK(choose_outputs("wayland", "DP-1", Rect{600, 50, 100, 100}, outputs) == Chosen{0});
  CHECK(choose_outputs("wayland", "", std::nullopt, std::span(outputs).first(1)) == Chosen{0});
}

TEST_CASE("what cannot be chosen is told with what can") {
  const auto outputs = two();
  const auto several = choose_outputs("kwin", "", std::nullopt, outputs);
  REQUIRE_FALSE(several);
  CHECK(several.error().kind == ErrorKind::Invalid);
  CHECK(several.error().message() ==
        "--source kwin: there are several outputs; choose kwin:DP-1, kwin:eDP-1, or --region");
  const auto unknown = choose_outputs("wayland", "HDMI-1", std::nullopt, outputs);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().kind == ErrorKind::NotFound);
  CHECK(unknown.error().detail == "there is no output 'HDMI-1'; there are wayland:DP-1, wayland:eDP-1");
  const auto nowhere = choose_outputs("wayland", "", Rect{2000, 0, 10, 10}, outputs);
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().kind == ErrorKind::Invalid);
  CHECK(nowhere.error().detail ==
        "nothing is shown at 2000,0 10x10: DP-1 is at 0,0 640x360, eDP-1 is at 640,40 320x200");
  CHECK(choose_outputs("wayland", "", std::nullopt, {}).error().kind == ErrorKind::NotFound);
}
