#include "capture/buffer_meta.h"
#include "capture/sequence_order.h"

#include <spa/buffer/meta.h>
#include <spa/param/video/raw.h>

#include <catch2/catch_test_macros.hpp>

#include <cstring>
#include <limits>
#include <vector>

using namespace zc;

namespace {

constexpr Size kPicture{100, 50};

template <class T>
std::vector<std::byte> bytes_of(const T& value, std::size_t size = sizeof(T)) {
  std::vector<std::byte> bytes(sizeof(T));
  std::memcpy(bytes.data(), &value, sizeof(T));
  bytes.resize(size);
  return bytes;
}

std::vector<std::byte> regions(const std::vector<spa_region>& list) {
  std::vector<std::byte> bytes;
  for (const spa_region& r : list) {
    const auto one = bytes_of(spa_meta_region{r});
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  return bytes;
}

/// A cursor meta with a bitmap of `pixels_bytes` behind it, before a test spoils one of its numbers.
struct CursorMeta {
  spa_meta_cursor cursor{1, 0, {7, 8}, {2, 3}, sizeof(spa_meta_cursor)};
  spa_meta_bitmap bitmap{SPA_VIDEO_FORMAT_BGRA, {4, 2}, 16, sizeof(spa_meta_bitmap)};
  std::byte fill{0x11};
  std::size_t pixel_bytes = 32;

  [[nodiscard]] std::vector<std::byte> bytes() const {
    auto all = bytes_of(cursor);
    const auto head = bytes_of(bitmap);
    all.insert(all.end(), head.begin(), head.end());
    all.resize(all.size() + pixel_bytes, fill);
    return all;
  }
};

}  // namespace

TEST_CASE("a header is read, a short one is none") {
  spa_meta_header header{};
  header.flags = SPA_META_HEADER_FLAG_CORRUPTED | SPA_META_HEADER_FLAG_DISCONT;
  header.pts = 42;
  header.seq = 9;
  const auto parsed = parse_header(bytes_of(header));
  REQUIRE(parsed);
  CHECK(parsed->corrupted);
  CHECK(parsed->pts == 42);
  CHECK(parsed->sequence == 9);
  CHECK_FALSE(parse_header(bytes_of(header, sizeof(header) - 1)));
  CHECK_FALSE(parse_header({}));
}

TEST_CASE("a crop is cut to the picture") {
  const auto crop = [](spa_region r) { return parse_crop(bytes_of(spa_meta_region{r}), kPicture); };
  CHECK(crop({{10, 5}, {20, 10}}) == Rect{10, 5, 20, 10});
  CHECK(crop({{90, 45}, {20, 10}}) == Rect{90, 45, 10, 5});
  CHECK(crop({{-10, -10}, {20, 20}}) == Rect{0, 0, 10, 10});
  CHECK(crop({{0, 0}, {0, 0}}).empty());
  CHECK(crop({{200, 0}, {10, 10}}).empty());
  CHECK(crop({{std::numeric_limits<std::int32_t>::min(), 0}, {0xffffffff, 0xffffffff}}) == Rect{0, 0, 100, 50});
  CHECK(crop({{std::numeric_limits<std::int32_t>::max(), 0}, {0xffffffff, 10}}).empty());
  CHECK(parse_crop({}, kPicture).empty());
}

TEST_CASE("a transform out of range is none") {
  for (std::uint32_t t = 0; t < 8; ++t) {
    CHECK(parse_transform(bytes_of(spa_meta_videotransform{t})) == static_cast<Transform>(t));
  }
  CHECK(parse_transform(bytes_of(spa_meta_videotransform{8})) == Transform::Normal);
  CHECK(parse_transform(bytes_of(spa_meta_videotransform{0xffffffff})) == Transform::Normal);
  CHECK(parse_transform({}) == Transform::Normal);
}

TEST_CASE("damage ends at the first invalid region and is cut to the picture") {
  const auto damage =
      parse_damage(regions({{{0, 0}, {10, 10}}, {{95, 45}, {10, 10}}, {{0, 0}, {0, 5}}, {{1, 1}, {2, 2}}}), kPicture);
  REQUIRE(damage.rects().size() == 2);
  CHECK(damage.rects()[0] == Rect{0, 0, 10, 10});
  CHECK(damage.rects()[1] == Rect{95, 45, 5, 5});
  CHECK(parse_damage({}, kPicture).everything());
  CHECK(parse_damage(regions({{{0, 0}, {0, 0}}}), kPicture).everything());
  CHECK(parse_damage(regions({{{500, 500}, {5, 5}}}), kPicture).everything());
  const std::vector<spa_region> many(40, {{1, 2}, {3, 4}});
  const auto merged = parse_damage(regions(many), kPicture);
  CHECK(merged.rects().size() <= Damage::kMaxRects);
  CHECK_FALSE(merged.rects().empty());
}

TEST_CASE("a pointer keeps its shape until another one comes") {
  CursorTracker tracker;
  CursorMeta meta;
  const auto first = tracker.update(meta.bytes());
  REQUIRE(first);
  CHECK(first->visible);
  CHECK(first->position == Point{7, 8});
  CHECK(first->hotspot == Point{2, 3});
  REQUIRE(first->bitmap);
  CHECK(first->bitmap->size == Size{4, 2});
  CHECK(first->bitmap->pixels == std::vector<std::byte>(32, std::byte{0x11}));

  SECTION("only the position comes") {
    meta.cursor.bitmap_offset = 0;
    meta.cursor.position = {-5, 90};
    meta.cursor.hotspot = {50, 50};  // has no meaning without a bitmap
    const auto moved = tracker.update(meta.bytes());
    CHECK(moved->position == Point{-5, 90});
    CHECK(moved->hotspot == Point{2, 3});
    CHECK(moved->bitmap == first->bitmap);
  }
  SECTION("the same shape is sent again") { CHECK(tracker.update(meta.bytes())->bitmap == first->bitmap); }
  SECTION("another shape comes") {
    meta.fill = std::byte{0x22};
    const auto other = tracker.update(meta.bytes());
    CHECK(other->bitmap != first->bitmap);
    CHECK(other->bitmap->pixels.front() == std::byte{0x22});
    CHECK(first->bitmap->pixels.front() == std::byte{0x11});
  }
  SECTION("an id of 0 hides it") {
    meta.cursor.id = 0;
    CHECK_FALSE(tracker.update(meta.bytes())->visible);
    meta.cursor.id = 1;
    meta.cursor.bitmap_offset = 0;
    CHECK(tracker.update(meta.bytes())->visible);
  }
  SECTION("a bitmap without pixels hides it until one with pixels comes") {
    meta.bitmap.offset = 0;
    CHECK_FALSE(tracker.update(meta.bytes())->visible);
    CursorMeta move;
    move.cursor.bitmap_offset = 0;
    CHECK_FALSE(tracker.update(move.bytes())->visible);
    CHECK(tracker.update(CursorMeta{}.bytes())->visible);
  }
  SECTION("rows with padding are packed") {
    meta.bitmap.stride = 20;
    meta.pixel_bytes = 36;
    CHECK(tracker.update(meta.bytes())->bitmap->pixels.size() == 32);
  }
}

TEST_CASE("a pointer without any shape is not visible") {
  CursorTracker tracker;
  CursorMeta meta;
  meta.cursor.bitmap_offset = 0;
  const auto state = tracker.update(meta.bytes());
  REQUIRE(state);
  CHECK_FALSE(state->visible);
  CHECK_FALSE(tracker.update({}));
}

TEST_CASE("a lying pointer bitmap changes nothing and reads nothing beyond its meta") {
  CursorTracker tracker;
  const auto good = tracker.update(CursorMeta{}.bytes())->bitmap;
  const auto expect_same = [&](const CursorMeta& meta) {
    const auto bytes = meta.bytes();  // exactly as long as the meta: the address sanitizer sees a byte too far
    const auto state = tracker.update(bytes);
    REQUIRE(state);
    CHECK(state->bitmap == good);
  };
  const auto spoilt = [&](auto spoil) {
    CursorMeta meta;
    meta.fill = std::byte{0x33};
    spoil(meta);
    expect_same(meta);
  };
  spoilt([](CursorMeta& m) { m.pixel_bytes = 31; });
  spoilt([](CursorMeta& m) { m.bitmap.size = {0xffffffff, 0xffffffff}; });
  spoilt([](CursorMeta& m) { m.bitmap.size = {CursorTracker::kMaxEdgePx + 1, 1}; });
  spoilt([](CursorMeta& m) { m.bitmap.stride = -16; });
  spoilt([](CursorMeta& m) { m.bitmap.stride = 15; });
  spoilt([](CursorMeta& m) { m.bitmap.stride = std::numeric_limits<std::int32_t>::max(); });
  spoilt([](CursorMeta& m) { m.bitmap.offset = 4; });
  spoilt([](CursorMeta& m) { m.bitmap.offset = 0xffffffff; });
  spoilt([](CursorMeta& m) { m.bitmap.format = SPA_VIDEO_FORMAT_NV12; });
  spoilt([](CursorMeta& m) { m.bitmap.format = 0xdeadbeef; });
  spoilt([](CursorMeta& m) { m.bitmap.format = 0; });
  spoilt([](CursorMeta& m) { m.cursor.bitmap_offset = 0xffffffff; });
  spoilt([](CursorMeta& m) { m.cursor.bitmap_offset = 5; });
  spoilt([](CursorMeta& m) { m.cursor.bitmap_offset = static_cast<std::uint32_t>(m.bytes().size()) - 1; });
}

TEST_CASE("a stale pointer position is passed over, a first shape is not") {
  CursorTracker tracker;
  CursorMeta shape;
  const auto first = tracker.update(shape.bytes(), true);
  REQUIRE(first);
  CHECK(first->visible);
  spa_meta_cursor moved{1, 0, {50, 60}, {2, 3}, 0};
  CHECK(tracker.update(bytes_of(moved), true)->position == Point{7, 8});
  CHECK(tracker.update(bytes_of(moved))->position == Point{50, 60});
}

TEST_CASE("buffers are told apart by count and time") {
  using Place = SequenceOrder::Place;
  SequenceOrder order;
  const auto place = [&](std::uint64_t sequence, std::int64_t pts = -1) { return order.place({false, pts, sequence}); };
  CHECK(place(10) == Place::Next);
  CHECK(place(11) == Place::Next);
  CHECK(place(13) == Place::Gap);
  CHECK(order.missing() == 1);
  CHECK(place(12) == Place::Stale);
  CHECK(place(14) == Place::Next);  // the stale one did not move the place
  CHECK(place(14) == Place::Next);  // a producer that does not count
  SECTION("a count that began anew") {
    CHECK(place(200) == Place::Gap);
    CHECK(order.missing() == 185);
    CHECK(place(0) == Place::Next);
    CHECK(order.missing() == 0);
  }
  SECTION("a count that jumps further than anybody loses is none") {
    CHECK(place(14 + 1 + SequenceOrder::kMostMissing) == Place::Gap);
    CHECK(order.missing() == SequenceOrder::kMostMissing);
    CHECK(place(10'000) == Place::Gap);
    CHECK(order.missing() == 0);
  }
  SECTION("a smaller count with a later time is new") {
    CHECK(place(15, 1000) == Place::Next);
    CHECK(place(3, 2000) == Place::Next);
    CHECK(place(2, 1500) == Place::Stale);
  }
  SECTION("a new agreement") {
    order.reset();
    CHECK(place(1) == Place::Next);
  }
}
