// Several outputs in one picture, against a reference that maps each pixel by itself.
#include "capture/desktop_picture.h"

#include <sys/eventfd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

using namespace zc;

namespace {

/// An output with pixels of its own.
struct Screen {
  Rect place;
  Size mode;
  Transform transform = Transform::Normal;
  std::shared_ptr<std::vector<std::uint32_t>> pixels = std::make_shared<std::vector<std::uint32_t>>();

  void fill(std::uint32_t seed) {
    std::mt19937 random(seed);
    pixels->resize(mode.area());
    for (std::uint32_t& pixel : *pixels) pixel = static_cast<std::uint32_t>(random());
  }
  [[nodiscard]] HostImage image() const {
    HostImage made{.format = PixelFormat::BGRx, .size = mode, .planes = {}, .mapping = pixels};
    made.planes[0] = {reinterpret_cast<const std::byte*>(pixels->data()), mode.width * 4};
    return made;
  }
  [[nodiscard]] Size shown() const { return swaps_axes(transform) ? Size{mode.height, mode.width} : mode; }
  /// As it is seen.
  [[nodiscard]] std::uint32_t seen(std::int32_t x, std::int32_t y) const {
    const Rect at = source_rect(transform, mode, {x, y, 1, 1});
    return pixels->at(static_cast<std::size_t>(at.y) * mode.width + static_cast<std::size_t>(at.x));
  }
};

std::shared_ptr<const UniqueFd> wake() {
  return std::make_shared<const UniqueFd>(UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
}

std::uint32_t pixel(const Frame& frame, std::int32_t x, std::int32_t y) {
  const auto& plane = std::get<HostImage>(frame.image).planes[0];
  std::uint32_t colour = 0;
  std::memcpy(&colour, plane.data + static_cast<std::size_t>(y) * plane.stride_bytes + static_cast<std::size_t>(x) * 4,
              4);
  return colour;
}

Frame compose(DesktopPicture& desktop) {
  auto frame = desktop.compose();
  REQUIRE(frame);
  REQUIRE(*frame);
  return *std::move(*frame);
}

/// Where all scales are one.
void check_plain(const Frame& frame, const Rect& region, const std::vector<Screen>& screens) {
  REQUIRE(frame.buffer_size() == region.size());
  int wrong = 0;
  for (std::int32_t y = 0; y < static_cast<std::int32_t>(region.height); ++y) {
    for (std::int32_t x = 0; x < static_cast<std::int32_t>(region.width); ++x) {
      std::uint32_t wanted = 0;
      for (const Screen& screen : screens) {
        const Rect at{region.x + x, region.y + y, 1, 1};
        if (!intersect(at, screen.place).empty()) wanted = screen.seen(at.x - screen.place.x, at.y - screen.place.y);
      }
      wrong += pixel(frame, x, y) != wanted;
    }
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("outputs side by side, at odd offsets and turned") {
  std::vector<Screen> screens{{{-33, 5, 40, 21}, {40, 21}, Transform::Normal},
                              {{7, 0, 25, 31}, {31, 25}, Transform::Rot90},
                              {{32, 11, 13, 17}, {13, 17}, Transform::Flipped180}};
  const Rect region{-13, 3, 51, 29};
  DesktopPicture desktop(region, {screens[0].place, screens[1].place, screens[2].place}, PixelFormat::BGRx, wake());
  for (std::size_t i = 0; i < screens.size(); ++i) {
    CHECK_FALSE(desktop.changed());
    screens[i].fill(static_cast<std::uint32_t>(i + 1));
    desktop.show(i, screens[i].image(), {}, screens[i].transform, Damage::all());
  }
  REQUIRE(desktop.changed());
  {
    const Frame first = compose(desktop);
    CHECK(first.damage.everything());
    check_plain(first, region, screens);
    CHECK_FALSE(desktop.changed());
  }
  // Many changes of single parts: each buffer is brought up to date wherever it was left.
  std::mt19937 random(7);
  std::vector<Frame> held;
  for (int round = 0; round < 200; ++round) {
    Screen& screen = screens[random() % screens.size()];
    const auto index = static_cast<std::size_t>(&screen - screens.data());
    const Rect changed{static_cast<std::int32_t>(random() % screen.mode.width),
                       static_cast<std::int32_t>(random() % screen.mode.height), 3, 4};
    const Rect inside = intersect(changed, {0, 0, screen.mode.width, screen.mode.height});
    for (std::uint32_t row = 0; row < inside.height; ++row) {
      for (std::uint32_t column = 0; column < inside.width; ++column) {
        screen.pixels->at((static_cast<std::size_t>(inside.y) + row) * screen.mode.width +
                          static_cast<std::size_t>(inside.x) + column) = static_cast<std::uint32_t>(random());
      }
    }
    Damage damage = Damage::none();
    damage.add(inside);
    desktop.show(index, screen.image(), {}, screen.transform, damage);
    if (!desktop.changed() || round % 3 == 0) continue;
    Frame frame = compose(desktop);
    check_plain(frame, region, screens);
    CHECK_FALSE(frame.damage.everything());
    held.push_back(std::move(frame));
    if (held.size() > random() % 4) held.erase(held.begin());
  }
}

TEST_CASE("the finest output decides, coarser ones repeat their pixels") {
  std::vector<Screen> screens{{{0, 0, 20, 10}, {40, 20}, Transform::Normal}, {{20, 0, 20, 10}, {20, 10}, {}}};
  DesktopPicture desktop({10, 1, 20, 8}, {screens[0].place, screens[1].place}, PixelFormat::BGRx, wake());
  for (std::size_t i = 0; i < screens.size(); ++i) {
    screens[i].fill(static_cast<std::uint32_t>(i + 1));
    desktop.show(i, screens[i].image(), {}, screens[i].transform, Damage::all());
  }
  const Frame frame = compose(desktop);
  REQUIRE(frame.buffer_size() == Size{40, 16});
  int wrong = 0;
  for (std::int32_t y = 0; y < 16; ++y) {
    for (std::int32_t x = 0; x < 20; ++x) {
      wrong += pixel(frame, x, y) != screens[0].seen(20 + x, 2 + y);
      wrong += pixel(frame, 20 + x, y) != screens[1].seen(x / 2, 1 + y / 2);
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("damage outside of the region is none, and there are only so many pictures") {
  Screen screen{{0, 0, 40, 20}, {40, 20}};
  Screen other{{40, 0, 40, 20}, {40, 20}};
  screen.fill(1);
  other.fill(2);
  DesktopPicture desktop({30, 5, 20, 10}, {screen.place, other.place}, PixelFormat::BGRx, wake());
  desktop.show(0, screen.image(), {}, {}, Damage::all());
  desktop.show(1, other.image(), {}, {}, Damage::all());
  std::vector<Frame> held;
  held.push_back(compose(desktop));
  Damage away = Damage::none();
  away.add({0, 0, 30, 20});
  desktop.show(0, screen.image(), {}, {}, away);
  CHECK_FALSE(desktop.changed());
  Damage inside = Damage::none();
  inside.add({29, 4, 2, 3});
  while (held.size() < CaptureBuffers::kMost) {
    desktop.show(0, screen.image(), {}, {}, inside);
    held.push_back(compose(desktop));
    REQUIRE(held.back().damage.rects().size() == 1);
    CHECK(held.back().damage.rects()[0] == Rect{0, 0, 1, 2});
    CHECK(held.back().spare == CaptureBuffers::kMost - held.size());
  }
  desktop.show(0, screen.image(), {}, {}, inside);
  CHECK_FALSE(desktop.compose().value());
  held.pop_back();
  CHECK(desktop.changed());
  CHECK(compose(desktop).has_image());
}
