#include "integration/capture/rig.h"
#include "support/producer_buffer.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;

TEST_CASE("times are the producer's, by whatever clock, and the arrival's where it has none") {
  const auto daemon = pipewire();
  enum class Clock : std::uint8_t { Ours, Another, None };
  struct Case {
    PtsMode mode;
    Clock clock;
    bool counted;  ///< as replaced
  };
  for (const Case c : {Case{PtsMode::Good, Clock::Ours, false}, Case{PtsMode::MinusOne, Clock::None, true},
                       Case{PtsMode::Zero, Clock::None, true}, Case{PtsMode::Ancient, Clock::Another, false},
                       Case{PtsMode::Future, Clock::Another, false}, Case{PtsMode::Repeated, Clock::None, true},
                       Case{PtsMode::NoHeader, Clock::None, false}}) {
    INFO(static_cast<int>(c.mode));
    ProducerOptions options;
    options.pts = c.mode;
    const auto producer = produce(options);
    PictureLog log;
    std::uint64_t same = 0;
    std::uint64_t bad = 0;
    Nanoseconds last{};
    std::optional<Nanoseconds> offset;  // from the painted time
    RecordingListener listener([&](Frame& f) {
      const auto mark = log.check(f);
      if (mark && mark->time == f.pts) ++same;
      if (f.pts <= last || f.pts > f.arrival + std::chrono::milliseconds(100)) ++bad;
      if (mark && f.arrival < mark->time) ++bad;
      if (mark && c.clock == Clock::Another) {
        const Nanoseconds now = f.pts - mark->time;
        // It follows the arrivals by half a millisecond a picture at the most.
        if (offset && std::abs((now - *offset).count()) > 500'000) ++bad;
        offset = now;
      }
      last = f.pts;
    });
    const auto src = source(target(*producer));
    REQUIRE(src->start(offer_all(), listener));
    REQUIRE(listener.wait_pictures(6));
    src->stop();
    CHECK((bad == 0 || (c.clock != Clock::None && bad <= src->stats().bad_pts * 2)));
    CHECK(log.wrong == 0);
    const std::uint64_t frames = log.numbers.size();
    if (c.clock == Clock::Ours) {
      CHECK(same + src->stats().bad_pts == frames);  // a machine that stalls for a second makes a good one ancient
      CHECK(same > 0);
    }
    if (c.counted) CHECK(src->stats().bad_pts + 2 >= frames);  // of repeated ones the first two are good
    if (c.mode == PtsMode::NoHeader) CHECK(src->stats().bad_pts == 0);
  }
}

TEST_CASE("crop, transform and damage come with the frame") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.crop = {16, 8, 200, 100};
  options.transform = Transform::Flipped90;
  options.damage = {{0, 0, 10, 10}, {300, 170, 100, 100}, {50, 60, 7, 9}};
  const auto producer = produce(options);
  std::uint64_t frames = 0;
  std::uint64_t listed = 0;
  std::uint64_t wrong = 0;
  RecordingListener listener([&](Frame& f) {
    if (f.crop != Rect{16, 8, 200, 100} || f.transform != Transform::Flipped90) ++wrong;
    if (f.visible_size() != Size{100, 200}) ++wrong;
    // Nobody knows what was before the first frame, nor what a buffer had that was lost on the way.
    if (frames++ == 0 && !f.damage.everything()) ++wrong;
    if (f.damage.everything()) return;
    ++listed;
    const std::vector<Rect> rects(f.damage.rects().begin(), f.damage.rects().end());
    for (const Rect& r : {Rect{0, 0, 10, 10}, Rect{300, 170, 20, 10}, Rect{50, 60, 7, 9}}) {
      if (std::ranges::find(rects, r) == rects.end()) ++wrong;
    }
  });
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  REQUIRE(listener.wait([&] { return listed >= 3; }));
  src->stop();
  CHECK(wrong == 0);
}

namespace {

void check_pointer(CursorOnly mode) {
  ProducerOptions options;
  options.cursor = true;
  options.cursor_only = mode;
  const auto producer = produce(options);
  PictureLog log;
  std::set<std::shared_ptr<const CursorBitmap>> shapes;
  std::vector<std::string> wrong;
  std::int32_t last_x = -1;
  RecordingListener listener([&](Frame& f) {
    log.check(f);
    if (!f.cursor) return void(wrong.emplace_back("no pointer"));
    if (!f.cursor->visible || !f.cursor->bitmap) return void(wrong.emplace_back("no shape"));
    if (f.cursor->position.x <= last_x) wrong.emplace_back("an older place");  // read from every buffer, in order
    last_x = f.cursor->position.x;
    const auto counter = static_cast<std::uint64_t>(last_x - pointer_position(0).x);
    if (f.cursor->position != pointer_position(counter)) wrong.emplace_back("place");
    if (f.cursor->hotspot != kPointerHotspot) wrong.emplace_back("hotspot");
    shapes.insert(f.cursor->bitmap);
    const CursorBitmap& b = *f.cursor->bitmap;
    if (b.size != kPointerSize || b.format != PixelFormat::BGRA) wrong.emplace_back("size or format");
    if (b.pixels != pointer_pixels(0) && b.pixels != pointer_pixels(1)) wrong.emplace_back("pixels");
  });
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  REQUIRE(listener.wait_pictures(20));
  src->stop();
  CHECK(wrong == std::vector<std::string>{});
  CHECK(log.wrong == 0);
  CHECK(rising(log.numbers));
  CHECK(shapes.size() <= log.numbers.back() / kPointerShapeFrames + 2);  // an object per shape, not per frame
  CHECK(src->stats().corrupt == 0);
  CHECK((mode == CursorOnly::None) == (listener.cursor_updates() == 0));
}

}  // namespace

TEST_CASE("the pointer's shape and place come from every buffer") {
  const auto daemon = pipewire();
  check_pointer(CursorOnly::None);
}

TEST_CASE("buffers without a picture move the pointer") {
  const auto daemon = pipewire();
  SECTION("chunk size 0") { check_pointer(CursorOnly::SizeZero); }
  SECTION("flagged corrupted") { check_pointer(CursorOnly::Corrupted); }
}

TEST_CASE("a source without pointer metadata says so") {
  const auto daemon = pipewire();
  const auto producer = produce({});
  std::uint64_t with_cursor = 0;
  RecordingListener listener([&](Frame& f) { with_cursor += f.cursor.has_value() ? 1U : 0U; });
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  REQUIRE(listener.wait_pictures(3));
  src->stop();
  CHECK(with_cursor == 0);
}
