// The source against a compositor's side of libwayland that copies as the protocols' texts say.
#include "capture/wayland_source.h"
#include "support/capture_server.h"
#include "support/temporary_folder.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;
using Protocol = CaptureServer::Protocol;

namespace {

/// With $XDG_RUNTIME_DIR of its own.
class Runtime {
 public:
  Runtime() {
    ::setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    ::unsetenv("WAYLAND_DISPLAY");
  }
  [[nodiscard]] std::string path() const { return (folder_.path() / "wayland-0").string(); }

 private:
  TemporaryFolder folder_;
};

class Pictures final : public SourceListener {
 public:
  void on_frame(Frame frame) override {
    const std::lock_guard lock(mutex_);
    frames_.push_back(std::move(frame));
    changed_.notify_all();
  }
  void on_state(SourceState state, const Error* error) override {
    const std::lock_guard lock(mutex_);
    if (state == SourceState::Ended) end_ = *error;
    changed_.notify_all();
  }
  [[nodiscard]] Frame next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 40s, [this] { return !frames_.empty(); })) FAIL("no picture comes");
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
  }
  [[nodiscard]] bool any() {
    const std::lock_guard lock(mutex_);
    return !frames_.empty();
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    frames_.clear();
  }
  [[nodiscard]] Error end() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 40s, [this] { return end_.has_value(); })) FAIL("it does not end");
    return *end_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Frame> frames_;
  std::optional<Error> end_;
};

FormatOffer bgrx() {
  FormatOffer offer;
  offer.formats = {{PixelFormat::BGRx, {}}};
  return offer;
}

std::unique_ptr<Source> source(const WaylandSpec& spec = {}, WaylandSourceOptions options = {}) {
  return make_wayland_source(spec, std::move(options)).value();
}

Error refusal(const WaylandSpec& spec, WaylandSourceOptions options = {}) {
  Pictures pictures;
  const auto made = source(spec, std::move(options));
  const auto started = made->start(bgrx(), pictures);
  REQUIRE_FALSE(started);
  return started.error();
}

/// Seen, row by row: the transform is undone.
std::vector<std::uint32_t> seen(const Frame& frame) {
  const auto& image = std::get<HostImage>(frame.image);
  const Size shown = frame.visible_size();
  const Rect whole{0, 0, image.size.width, image.size.height};
  const Rect crop = frame.crop.empty() ? whole : frame.crop;
  std::vector<std::uint32_t> pixels;
  for (std::int32_t y = 0; y < static_cast<std::int32_t>(shown.height); ++y) {
    for (std::int32_t x = 0; x < static_cast<std::int32_t>(shown.width); ++x) {
      const Rect at = source_rect(frame.transform, crop.size(), {x, y, 1, 1});
      const auto row = static_cast<std::size_t>(crop.y + at.y);
      std::memcpy(
          &pixels.emplace_back(),
          image.planes[0].data + row * image.planes[0].stride_bytes + static_cast<std::size_t>(crop.x + at.x) * 4, 4);
    }
  }
  return pixels;
}

CaptureServer::Options one_output(Protocol protocol) {
  return {.protocol = protocol, .outputs = {{"OUT-1", {0, 0, 64, 48}, {64, 48}}}};
}

template <class Done>
bool wait_for(Done&& done) {
  const Nanoseconds deadline = monotonic_now() + 40s;
  while (!done() && monotonic_now() < deadline) std::this_thread::sleep_for(2ms);
  return done();
}

}  // namespace

TEST_CASE("the first picture comes at once, others with what has changed") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  CaptureServer compositor(runtime.path(), one_output(protocol));
  Pictures pictures;
  const auto wayland = source();
  REQUIRE(wayland->start(bgrx(), pictures));
  Frame first = pictures.next();
  CHECK(first.damage.everything());
  CHECK(seen(first) == compositor.picture(0));
  CHECK(wayland->info().size == Size{64, 48});
  CHECK(wayland->info().rate == Rational{60, 1});
  CHECK(wayland->info().format == PixelFormat::BGRx);
  CHECK_FALSE(wayland->info().dmabuf);
  CHECK(wayland->info().description == "output OUT-1 of the Wayland compositor");
  // Pictures are held for a while, so that buffers are used again in no order.
  std::deque<Frame> held;
  held.push_back(std::move(first));
  std::uint64_t sequence = held.back().sequence;
  Nanoseconds pts = held.back().pts;
  for (std::int32_t i = 0; i < 60; ++i) {
    const Rect rect{i % 50, (i * 7) % 40, 5, 4};
    // Both protocols count damage from the second picture on.
    REQUIRE(wait_for([&] { return compositor.copies() >= static_cast<int>(sequence) + 2; }));
    compositor.paint(0, rect, 0xff000000U + static_cast<std::uint32_t>(i) * 0x1234);
    Frame frame = pictures.next();
    CHECK(seen(frame) == compositor.picture(0));
    CHECK(frame.sequence == sequence + 1);
    CHECK(frame.pts > pts);
    sequence = frame.sequence;
    pts = frame.pts;
    if (frame.damage.everything()) {
      CHECK(protocol == Protocol::Screencopy);
    } else {
      REQUIRE(frame.damage.rects().size() == 1);
      CHECK(frame.damage.rects()[0] == rect);
    }
    held.push_back(std::move(frame));
    if (held.size() > static_cast<std::size_t>(1 + i % 4)) held.pop_front();
  }
  CHECK_FALSE(pictures.any());
  wayland->stop();
  CHECK(wait_for([&] { return compositor.clients() == 0; }));
  CHECK(compositor.wrong() == 0);
  CHECK(seen(held.back()).size() == 64 * 48);  // what is held stays readable
}

TEST_CASE("who holds every picture misses some, and gets the newest as soon as he lets go") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  CaptureServer compositor(runtime.path(), one_output(protocol));
  Pictures pictures;
  const auto wayland = source();
  REQUIRE(wayland->start(bgrx(), pictures));
  std::deque<Frame> held;
  std::uint32_t colour = 1;
  while (held.empty() || held.back().spare > 0) {
    compositor.paint(0, {0, 0, 64, 48}, colour++);
    held.push_back(pictures.next());
    REQUIRE(held.size() < 20);
  }
  compositor.paint(0, {3, 3, 9, 9}, colour++);
  compositor.paint(0, {30, 3, 9, 9}, colour++);
  const int before = compositor.copies();
  held.pop_front();
  const Frame newest = pictures.next();
  CHECK(compositor.copies() > before);
  CHECK(seen(newest) == compositor.picture(0));
  CHECK(compositor.wrong() == 0);
}

TEST_CASE("another mode is another size, on the way") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  CaptureServer compositor(runtime.path(), one_output(protocol));
  Pictures pictures;
  const auto wayland = source();
  REQUIRE(wayland->start(bgrx(), pictures));
  for (std::uint32_t i = 1; i <= 20; ++i) {
    const Size size{64 + i * 3, 48 + i};
    compositor.resize(0, size, 0xff000000U + i);
    while (true) {
      const Frame frame = pictures.next();
      if (frame.buffer_size() != size) continue;
      CHECK(frame.damage.everything());
      CHECK(seen(frame) == compositor.picture(0));
      break;
    }
    CHECK(wayland->info().size == size);
  }
  CHECK(compositor.wrong() == 0);
}

TEST_CASE("a copy that fails is tried again") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  CaptureServer compositor(runtime.path(), one_output(protocol));
  compositor.fail(3);
  Pictures pictures;
  const auto wayland = source();
  REQUIRE(wayland->start(bgrx(), pictures));
  CHECK(seen(pictures.next()) == compositor.picture(0));
  CHECK(compositor.copies() >= 4);
  CHECK(compositor.copies() < 20);
  CHECK(compositor.wrong() == 0);
}

TEST_CASE("an output that is unplugged, a session that is over, a compositor that is gone: lost") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  auto compositor = std::make_unique<CaptureServer>(runtime.path(), one_output(protocol));
  Pictures pictures;
  const auto wayland = source({.output = "OUT-1", .window = {}});
  REQUIRE(wayland->start(bgrx(), pictures));
  std::ignore = pictures.next();
  SECTION("unplugged") { compositor->unplug(0); }
  SECTION("over") {
    if (protocol == Protocol::Screencopy) return;
    compositor->stop_sessions();
  }
  SECTION("gone") { compositor.reset(); }
  SECTION("while it rests") {
    wayland->rest();
    compositor.reset();
  }
  CHECK(pictures.end().kind == ErrorKind::Lost);
  CHECK_FALSE(wayland->renegotiate(bgrx()));
  wayland->stop();
}

TEST_CASE("another offer, and rest: the next picture is a whole one though nothing has changed") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  CaptureServer compositor(runtime.path(), one_output(protocol));
  Pictures pictures;
  const auto wayland = source();
  REQUIRE(wayland->start(bgrx(), pictures));
  std::ignore = pictures.next();
  if (protocol == Protocol::Ext) {
    FormatOffer other;
    other.formats = {{PixelFormat::BGRA, {}}};
    pictures.clear();
    REQUIRE(wayland->renegotiate(other));
    Frame frame = pictures.next();
    while (frame.format() != PixelFormat::BGRA) frame = pictures.next();
    CHECK(frame.damage.everything());
    CHECK(seen(frame) == compositor.picture(0));
  }
  FormatOffer nothing;
  nothing.formats = {{PixelFormat::RGBA, {}}};
  const auto refused = wayland->renegotiate(nothing);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Unsupported);
  for (int i = 0; i < 3; ++i) {
    wayland->rest();
    pictures.clear();
    compositor.paint(0, {1, 1, 8, 8}, 0xff00ff00U + static_cast<std::uint32_t>(i));
    CHECK_FALSE(pictures.any());
    REQUIRE(wayland->wake(bgrx()));
    const Frame frame = pictures.next();
    CHECK(frame.damage.everything());
    CHECK(seen(frame) == compositor.picture(0));
  }
  CHECK(compositor.wrong() == 0);
}

TEST_CASE("pictures that are turned or upside down are seen as they are") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  const auto transform = GENERATE(Transform::Normal, Transform::Rot90, Transform::Flipped270);
  CaptureServer::Options options = one_output(protocol);
  options.upside_down = protocol == Protocol::Screencopy;
  options.outputs[0].transform = transform;
  options.outputs[0].mode = {5, 3};
  CaptureServer compositor(runtime.path(), options);
  for (std::int32_t i = 0; i < 15; ++i) compositor.paint(0, {i % 5, i / 5, 1, 1}, static_cast<std::uint32_t>(i));
  Pictures pictures;
  const auto wayland = source();
  REQUIRE(wayland->start(bgrx(), pictures));
  const Frame frame = pictures.next();
  const Size shown = swaps_axes(transform) ? Size{3, 5} : Size{5, 3};
  REQUIRE(frame.visible_size() == shown);
  std::vector<std::uint32_t> wanted;
  for (std::int32_t y = 0; y < static_cast<std::int32_t>(shown.height); ++y) {
    for (std::int32_t x = 0; x < static_cast<std::int32_t>(shown.width); ++x) {
      const Rect at = source_rect(transform, {5, 3}, {x, y, 1, 1});
      wanted.push_back(static_cast<std::uint32_t>(at.y * 5 + at.x));
    }
  }
  CHECK(seen(frame) == wanted);
}

TEST_CASE("a region of one output: cropped, and nothing when it is elsewhere that something changes") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  CaptureServer::Options options = one_output(protocol);
  options.outputs[0] = {"OUT-1", {-10, 5, 32, 24}, {64, 48}};  // scaled by two
  CaptureServer compositor(runtime.path(), options);
  Pictures pictures;
  const auto wayland = source({}, {.region = Rect{-5, 8, 10, 6}});
  REQUIRE(wayland->start(bgrx(), pictures));
  const Frame first = pictures.next();
  CHECK(first.crop == Rect{10, 6, 20, 12});
  REQUIRE(wait_for([&] { return compositor.copies() >= 2; }));
  if (protocol == Protocol::Screencopy) {
    compositor.paint(0, {10, 6, 1, 1}, 9);  // from here on it counts damage
    std::ignore = pictures.next();
    REQUIRE(wait_for([&] { return compositor.copies() >= 3; }));
  }
  const int before = compositor.copies();
  pictures.clear();
  compositor.paint(0, {0, 0, 9, 48}, 5);
  REQUIRE(wait_for([&] { return compositor.copies() > before; }));
  compositor.paint(0, {29, 17, 5, 5}, 6);
  const Frame next = pictures.next();
  CHECK_FALSE(pictures.any());
  REQUIRE(next.damage.rects().size() == 1);
  CHECK(next.damage.rects()[0] == Rect{29, 17, 5, 5});
  CHECK(compositor.wrong() == 0);
}

TEST_CASE("a region over two outputs is one picture") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  CaptureServer compositor(runtime.path(), {.protocol = protocol,
                                            .outputs = {{"OUT-1", {0, 0, 64, 48}, {64, 48}},
                                                        {"OUT-2", {64, -3, 30, 50}, {50, 30}, Transform::Rot90},
                                                        {"OUT-3", {500, 0, 64, 48}, {64, 48}}}});
  compositor.paint(0, {50, 0, 14, 48}, 0xff0000ff);
  compositor.paint(1, {0, 20, 50, 10}, 0xff00ff00);
  Pictures pictures;
  const Rect region{51, 1, 23, 31};
  const auto wayland = source({}, {.region = region});
  REQUIRE(wayland->start(bgrx(), pictures));
  const auto as_wanted = [&](const Frame& frame) {
    const auto left = compositor.picture(0);
    const auto right = compositor.picture(1);
    const auto got = seen(frame);
    if (frame.buffer_size() != region.size()) return false;
    for (std::int32_t y = 0; y < 31; ++y) {
      for (std::int32_t x = 0; x < 23; ++x) {
        std::uint32_t wanted = 0;
        const std::int32_t desk_x = 51 + x;
        const std::int32_t desk_y = 1 + y;
        if (desk_x < 64) {
          wanted = left[static_cast<std::size_t>(desk_y * 64 + desk_x)];
        } else {
          const Rect at = source_rect(Transform::Rot90, {50, 30}, {desk_x - 64, desk_y + 3, 1, 1});
          wanted = right[static_cast<std::size_t>(at.y * 50 + at.x)];
        }
        if (got[static_cast<std::size_t>(y * 23 + x)] != wanted) return false;
      }
    }
    return true;
  };
  const Frame first = pictures.next();
  CHECK(first.damage.everything());
  CHECK(as_wanted(first));
  CHECK(wayland->info().description == "region 51,1 23x31 on outputs OUT-1 and OUT-2 of the Wayland compositor");
  for (std::uint32_t i = 0; i < 20; ++i) {
    const auto at = static_cast<std::int32_t>(i);
    compositor.paint(i % 2, i % 2 == 0 ? Rect{45 + at / 2, 10, 8, 9} : Rect{at, 15, 8, 9}, 0xff000000U + i * 77);
    while (!as_wanted(pictures.next())) {
    }
  }
  CHECK(wayland->info().size == region.size());
  CHECK(compositor.wrong() == 0);
}

TEST_CASE("a window by its identifier") {
  const Runtime runtime;
  CaptureServer::Options options = one_output(Protocol::Ext);
  options.window = true;
  CaptureServer compositor(runtime.path(), options);
  CHECK(refusal({.output = {}, .window = "window-2"}).kind == ErrorKind::NotFound);
  CHECK(refusal({.output = {}, .window = "window-1"}, {.region = Rect{0, 0, 20, 20}}).kind == ErrorKind::Invalid);
  Pictures pictures;
  const auto wayland = source({.output = {}, .window = "window-1"});
  REQUIRE(wayland->start(bgrx(), pictures));
  CHECK(seen(pictures.next()) == compositor.picture(0));
  CHECK(wayland->info().description == "window window-1 of the Wayland compositor");
  compositor.stop_sessions();
  CHECK(pictures.end().kind == ErrorKind::Lost);
}

TEST_CASE("no more pictures than are wanted") {
  const Runtime runtime;
  const auto protocol = GENERATE(Protocol::Ext, Protocol::Screencopy);
  CaptureServer compositor(runtime.path(), one_output(protocol));
  Pictures pictures;
  FormatOffer offer = bgrx();
  offer.max_rate = {10, 1};
  const auto wayland = source();
  REQUIRE(wayland->start(offer, pictures));
  const Frame first = pictures.next();
  std::uint32_t colour = 1;
  Nanoseconds last = first.pts;
  for (int i = 0; i < 8; ++i) {
    std::optional<Frame> frame;
    while (!frame) {
      compositor.paint(0, {0, 0, 8, 8}, colour++);
      std::this_thread::sleep_for(1ms);
      if (pictures.any()) frame = pictures.next();
    }
    last = frame->pts;
  }
  // Eight periods of 100 ms, of which the first may be half an output's period short.
  CHECK(last - first.pts >= 750ms);
  CHECK(compositor.wrong() == 0);
}

TEST_CASE("what cannot be captured says why") {
  const Runtime runtime;
  SECTION("no compositor") { CHECK(refusal({}).kind == ErrorKind::NotFound); }
  SECTION("one without a protocol for it") {
    CaptureServer compositor(runtime.path(), one_output(Protocol::None));
    const Error error = refusal({});
    CHECK(error.kind == ErrorKind::Unsupported);
    CHECK(error.detail == "the compositor has no zwlr_screencopy_manager_v1");
  }
  SECTION("no such output, a place without one, a cursor that is not sent") {
    CaptureServer compositor(runtime.path(), one_output(Protocol::Screencopy));
    CHECK(refusal({.output = "DP-7", .window = {}}).kind == ErrorKind::NotFound);
    CHECK(refusal({}, {.region = Rect{900, 0, 20, 20}}).kind == ErrorKind::Invalid);
    const Error cursor = refusal({}, {.cursor = CursorMode::Metadata});
    CHECK(cursor.kind == ErrorKind::Invalid);
    CHECK(cursor.detail.find("choose embedded or hidden") != std::string::npos);
  }
  SECTION("nothing that both have") {
    CaptureServer compositor(runtime.path(), one_output(Protocol::Ext));
    Pictures pictures;
    FormatOffer offer;
    offer.formats = {{PixelFormat::xRGB_210LE, {}}};
    const auto started = source()->start(offer, pictures);
    REQUIRE_FALSE(started);
    CHECK(started.error().kind == ErrorKind::Unsupported);
  }
}

TEST_CASE("it is started and stopped again and again") {
  const Runtime runtime;
  CaptureServer compositor(runtime.path(), one_output(Protocol::Ext));
  Pictures pictures;
  const auto wayland = source();
  for (int i = 0; i < 20; ++i) {
    REQUIRE(wayland->start(bgrx(), pictures));
    if (i % 2 == 0) std::ignore = pictures.next();
    wayland->stop();
    pictures.clear();
  }
  CHECK(wait_for([&] { return compositor.clients() == 0; }));
  CHECK(compositor.wrong() == 0);
}
