#include "media/frame.h"

#include <catch2/catch_test_macros.hpp>

using namespace zc;

namespace {

struct Counter {
  int returned = 0;
};

Frame picture(const std::shared_ptr<Counter>& counter, std::uint64_t sequence) {
  Frame frame;
  HostImage image;
  image.format = PixelFormat::BGRx;
  image.size = {640, 480};
  frame.image = image;
  frame.sequence = sequence;
  frame.lease = BufferLease(counter, counter.get(),
                            [](void*, void* token) noexcept { ++static_cast<Counter*>(token)->returned; });
  return frame;
}

}  // namespace

TEST_CASE("a lease gives its buffer back exactly once") {
  const auto counter = std::make_shared<Counter>();
  {
    Frame a = picture(counter, 1);
    Frame b = std::move(a);
    CHECK(counter->returned == 0);
    b.lease.reset();
    CHECK(counter->returned == 1);
  }
  CHECK(counter->returned == 1);
  Frame c = picture(counter, 2);
  c = picture(counter, 3);
  CHECK(counter->returned == 2);
}

TEST_CASE("a newer picture inherits the damage of the one it replaces") {
  const auto counter = std::make_shared<Counter>();
  Frame older = picture(counter, 1);
  older.damage = Damage::none();
  older.damage.add(Rect{0, 0, 8, 8});
  Frame newer = picture(counter, 2);
  newer.damage = Damage::none();
  newer.damage.add(Rect{16, 0, 8, 8});
  CHECK(newer.supersede(std::move(older)));
  CHECK(newer.damage.rects().size() == 2);
  older = Frame{};
  CHECK(counter->returned == 1);
}

TEST_CASE("cursor news take over the picture they would hide") {
  const auto counter = std::make_shared<Counter>();
  Frame older = picture(counter, 1);
  Frame news;
  news.cursor = CursorState{.visible = true, .position = {3, 4}, .hotspot = {}, .bitmap = nullptr};
  CHECK_FALSE(news.supersede(std::move(older)));
  CHECK(news.has_image());
  CHECK(news.cursor->position == Point{3, 4});
  CHECK(counter->returned == 0);
  news = Frame{};
  CHECK(counter->returned == 1);
}

TEST_CASE("damage beyond its capacity becomes the bounding box") {
  Damage damage = Damage::none();
  for (int i = 0; i < 40; ++i) damage.add(Rect{i * 10, i, 5, 5});
  Rect box;
  for (const Rect& r : damage.rects()) box = bounding(box, r);
  CHECK(box == Rect{0, 0, 395, 44});
  CHECK(damage.rects().size() <= Damage::kMaxRects);
  damage.add(Damage::all());
  CHECK(damage.everything());
}

TEST_CASE("visible size follows crop and transform") {
  const auto counter = std::make_shared<Counter>();
  Frame frame = picture(counter, 1);
  CHECK(frame.visible_size() == Size{640, 480});
  frame.crop = {10, 10, 1000, 100};
  CHECK(frame.visible_size() == Size{630, 100});
  frame.transform = Transform::Rot90;
  CHECK(frame.visible_size() == Size{100, 630});
}
