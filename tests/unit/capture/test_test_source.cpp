#include "capture/test_source.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "capture/make_source.h"
#include "capture/test_pattern.h"
#include "media/test_mark.h"

using namespace zc;

namespace {

/// Upper bound of every wait: only a broken source reaches it.
constexpr std::chrono::seconds kPatience{60};

/// Hands each frame to `look` on the source's thread and remembers the states.
class Recorder : public SourceListener {
 public:
  std::function<void(Frame&)> look = [](Frame&) {};

  void on_frame(Frame frame) override {
    look(frame);
    const std::lock_guard lock(mutex_);
    ++frames_;
    changed_.notify_all();
  }
  void on_state(SourceState state, const Error* error) override {
    const std::lock_guard lock(mutex_);
    states_.push_back(state);
    if (error != nullptr) end_ = *error;
    changed_.notify_all();
  }
  [[nodiscard]] bool wait_frames(std::uint64_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return frames_ >= count; });
  }
  [[nodiscard]] bool wait_end() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return end_.has_value(); });
  }
  std::uint64_t frames() {
    const std::lock_guard lock(mutex_);
    return frames_;
  }
  std::vector<SourceState> states() {
    const std::lock_guard lock(mutex_);
    return states_;
  }
  std::optional<Error> end() {
    const std::lock_guard lock(mutex_);
    return end_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t frames_ = 0;
  std::vector<SourceState> states_;
  std::optional<Error> end_;
};

FormatOffer offer(std::vector<PixelFormat> formats = {PixelFormat::BGRx}) {
  FormatOffer result;
  for (const PixelFormat format : formats) result.formats.push_back({format, {}});
  return result;
}

std::unique_ptr<Source> source(std::string_view text) {
  const auto spec = parse_source(text);
  REQUIRE(spec);
  auto made = make_source(*spec);
  REQUIRE(made);
  return std::move(*made);
}

/// A copy of a frame's picture without row padding.
struct Picture {
  Size size;
  std::vector<std::uint32_t> words;
  [[nodiscard]] std::uint32_t at(std::uint32_t x, std::uint32_t y) const { return words[y * size.width + x]; }
};

Picture copy(const Frame& frame) {
  const auto& image = std::get<HostImage>(frame.image);
  Picture picture{image.size, std::vector<std::uint32_t>(image.size.area())};
  for (std::uint32_t y = 0; y < image.size.height; ++y) {
    std::memcpy(picture.words.data() + std::size_t{y} * image.size.width,
                image.planes[0].data + std::size_t{y} * image.planes[0].stride_bytes,
                std::size_t{image.size.width} * 4);
  }
  return picture;
}

/// The mark of an 8-bit picture whose green is in the second byte, or third, of a word: read as if green were luma.
std::optional<TestMark> mark_of(const Picture& picture, unsigned green_shift = 8) {
  std::vector<std::byte> luma(picture.words.size());
  for (std::size_t i = 0; i < luma.size(); ++i) luma[i] = static_cast<std::byte>(picture.words[i] >> green_shift);
  return read_mark(luma, picture.size.width, picture.size, 1, picture.size);
}

bool inside(const Damage& damage, std::uint32_t x, std::uint32_t y) {
  const Rect pixel{static_cast<std::int32_t>(x), static_cast<std::int32_t>(y), 1, 1};
  for (const Rect& rect : damage.rects()) {
    if (!intersect(rect, pixel).empty()) return true;
  }
  return damage.everything();
}

/// Pixels that changed although the damage does not cover them.
std::size_t undeclared_changes(const Picture& before, const Picture& after, const Damage& damage) {
  std::size_t count = 0;
  for (std::uint32_t y = 0; y < after.size.height; ++y) {
    for (std::uint32_t x = 0; x < after.size.width; ++x) {
      if (before.at(x, y) != after.at(x, y) && !inside(damage, x, y)) ++count;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("each format puts red, green and blue where PipeWire's name says") {
  const auto bytes = [](PixelFormat format) {
    const std::uint32_t word = rgb_word(format, 0x11, 0x22, 0x33);
    std::array<unsigned, 4> result{};
    for (unsigned i = 0; i < 4; ++i) result.at(i) = word >> (8 * i) & 0xffU;  // little-endian memory order
    return result;
  };
  using Bytes = std::array<unsigned, 4>;
  CHECK(bytes(PixelFormat::BGRx) == Bytes{0x33, 0x22, 0x11, 0xff});
  CHECK(bytes(PixelFormat::BGRA) == Bytes{0x33, 0x22, 0x11, 0xff});
  CHECK(bytes(PixelFormat::RGBx) == Bytes{0x11, 0x22, 0x33, 0xff});
  CHECK(bytes(PixelFormat::RGBA) == Bytes{0x11, 0x22, 0x33, 0xff});
  CHECK(bytes(PixelFormat::xRGB) == Bytes{0xff, 0x11, 0x22, 0x33});
  CHECK(bytes(PixelFormat::ARGB) == Bytes{0xff, 0x11, 0x22, 0x33});
  CHECK(bytes(PixelFormat::xBGR) == Bytes{0xff, 0x33, 0x22, 0x11});
  CHECK(bytes(PixelFormat::ABGR) == Bytes{0xff, 0x33, 0x22, 0x11});
  // 10 bit, from the high bits down; 0x80 widens to 0x202.
  const auto word = [](PixelFormat format) { return rgb_word(format, 0xff, 0x80, 0x00); };
  CHECK(word(PixelFormat::xRGB_210LE) == (3U << 30U | 0x3ffU << 20U | 0x202U << 10U));
  CHECK(word(PixelFormat::ARGB_210LE) == (3U << 30U | 0x3ffU << 20U | 0x202U << 10U));
  CHECK(word(PixelFormat::xBGR_210LE) == (3U << 30U | 0x202U << 10U | 0x3ffU));
  CHECK(word(PixelFormat::ABGR_210LE) == (3U << 30U | 0x202U << 10U | 0x3ffU));
  CHECK(word(PixelFormat::RGBx_102LE) == (0x3ffU << 22U | 0x202U << 12U | 3U));
  CHECK(word(PixelFormat::RGBA_102LE) == (0x3ffU << 22U | 0x202U << 12U | 3U));
  CHECK(word(PixelFormat::BGRx_102LE) == (0x202U << 12U | 0x3ffU << 2U | 3U));
  CHECK(word(PixelFormat::BGRA_102LE) == (0x202U << 12U | 0x3ffU << 2U | 3U));
}

TEST_CASE("the test source delivers every frame, numbered, on an exact grid") {
  const auto test = source("test:322x179@500,frames=60");
  Recorder recorder;
  std::vector<TestMark> marks;
  std::vector<Nanoseconds> pts;
  std::vector<Nanoseconds> arrivals;
  std::vector<std::uint64_t> sequences;
  bool strides = true;
  recorder.look = [&](Frame& frame) {
    const auto mark = mark_of(copy(frame));
    if (mark) marks.push_back(*mark);
    pts.push_back(frame.pts);
    arrivals.push_back(frame.arrival);
    sequences.push_back(frame.sequence);
    strides = strides && std::get<HostImage>(frame.image).planes[0].stride_bytes == 1344;
  };
  REQUIRE(test->start(offer(), recorder));
  REQUIRE(recorder.wait_end());
  test->stop();
  CHECK(recorder.end()->kind == ErrorKind::Cancelled);
  CHECK(recorder.states() == std::vector{SourceState::Connecting, SourceState::Streaming, SourceState::Ended});
  const SourceStats stats = test->stats();
  CHECK(stats.delivered == recorder.frames());
  CHECK(stats.delivered + stats.skipped == 60);
  REQUIRE(marks.size() == recorder.frames());
  CHECK(marks.back().frame == 59);
  CHECK(strides);
  for (std::size_t i = 0; i < marks.size(); ++i) {
    CHECK(sequences[i] == i);
    CHECK(pts[i] - pts[0] == std::chrono::milliseconds(2) * (marks[i].frame - marks[0].frame));
    CHECK(marks[i].time >= pts[i]);  // a pts is never in the future
    CHECK(arrivals[i] >= marks[i].time);
  }
}

TEST_CASE("what changes between two frames is inside the damage") {
  const std::string format = GENERATE("BGRx", "ARGB", "xBGR_210LE");
  const auto test = source("test:160x97@1000,frames=80,format=" + format);
  Recorder recorder;
  std::optional<Picture> before;
  std::size_t undeclared = 0;
  std::size_t partial = 0;
  std::size_t changed = 0;
  std::size_t seen = 0;
  std::deque<BufferLease> held;  // forces other buffers than the last one, with other old contents
  recorder.look = [&](Frame& frame) {
    Picture after = copy(frame);
    if (before) {
      undeclared += undeclared_changes(*before, after, frame.damage);
      if (!frame.damage.everything()) ++partial;
      if (before->words != after.words) ++changed;
    }
    before = std::move(after);
    held.push_back(std::move(frame.lease));
    if (held.size() > seen % 5) held.pop_front();
    if (++seen % 3 == 0) held.clear();
  };
  REQUIRE(test->start(offer({*pixel_format_from_name(format)}), recorder));
  REQUIRE(recorder.wait_end());
  test->stop();
  CHECK(undeclared == 0);
  CHECK(recorder.frames() > 1);
  CHECK(partial == recorder.frames() - 1);
  CHECK(changed == recorder.frames() - 1);
}

TEST_CASE("held buffers are never painted over, and missing ones are counted") {
  const auto test = source("test:64x64@1000,frames=300");
  Recorder recorder;
  std::vector<Frame> held;
  std::vector<Picture> copies;
  recorder.look = [&](Frame& frame) {
    copies.push_back(copy(frame));
    held.push_back(std::move(frame));
  };
  REQUIRE(test->start(offer(), recorder));
  REQUIRE(recorder.wait_end());
  CHECK(held.size() == 6);  // the whole pool
  CHECK(test->stats().delivered == held.size());
  CHECK(test->stats().skipped == 300 - held.size());
  test->stop();
  for (std::size_t i = 0; i < held.size(); ++i) CHECK(copy(held[i]).words == copies[i].words);
}

TEST_CASE("leases outlive the source") {
  std::optional<Frame> kept;
  std::optional<Picture> picture;
  {
    const auto test = source("test:64x64@1000,frames=1");
    Recorder recorder;
    recorder.look = [&](Frame& frame) {
      picture = copy(frame);
      kept = std::move(frame);
    };
    REQUIRE(test->start(offer(), recorder));
    REQUIRE(recorder.wait_end());
  }
  REQUIRE(kept);
  CHECK(copy(*kept).words == picture->words);
  kept.reset();
}

TEST_CASE("a still test source shows one picture and one more after each resize") {
  const auto test = source("test:64x48@1000,static,frames=30,resize=80x33@10");
  Recorder recorder;
  std::vector<Size> sizes;
  recorder.look = [&](Frame& frame) {
    sizes.push_back(frame.buffer_size());
    CHECK(frame.damage.everything());
  };
  REQUIRE(test->start(offer(), recorder));
  REQUIRE(recorder.wait_end());
  test->stop();
  CHECK(sizes == std::vector<Size>{{64, 48}, {80, 33}});
  CHECK(test->info().size == Size{80, 33});
}

TEST_CASE("a resize comes at its frame, with the whole picture damaged") {
  const auto test = source("test:64x48@1000,frames=20,resize=81x33@7,resize=64x48@12");
  Recorder recorder;
  std::vector<std::pair<std::uint32_t, Size>> seen;
  std::optional<Size> last;
  bool damaged = true;
  recorder.look = [&](Frame& frame) {
    const auto mark = mark_of(copy(frame));
    if (mark) seen.emplace_back(mark->frame, frame.buffer_size());
    damaged = damaged && frame.damage.everything() == (last != frame.buffer_size());
    last = frame.buffer_size();
  };
  REQUIRE(test->start(offer(), recorder));
  REQUIRE(recorder.wait_end());
  test->stop();
  REQUIRE(seen.size() == recorder.frames());
  for (const auto& [number, size] : seen) {
    CHECK(size == (number >= 7 && number < 12 ? Size{81, 33} : Size{64, 48}));
  }
  CHECK(damaged);
}

TEST_CASE("the test source takes the first format it can make, and changes it when asked") {
  const auto test = source("test:64x48@1000");
  Recorder recorder;
  std::mutex mutex;
  PixelFormat last = PixelFormat::Unknown;
  recorder.look = [&](Frame& frame) {
    const std::lock_guard lock(mutex);
    last = frame.format();
  };
  REQUIRE(test->start(offer({PixelFormat::NV12, PixelFormat::RGBA, PixelFormat::BGRx}), recorder));
  REQUIRE(recorder.wait_frames(2));
  CHECK(test->info().format == PixelFormat::RGBA);
  REQUIRE(test->renegotiate(offer({PixelFormat::xBGR_210LE})));
  REQUIRE(recorder.wait_frames(recorder.frames() + 2));
  {
    const std::lock_guard lock(mutex);
    CHECK(last == PixelFormat::xBGR_210LE);
  }
  test->stop();
  const std::uint64_t after = recorder.frames();
  test->stop();
  CHECK(recorder.frames() == after);
  CHECK_FALSE(recorder.end());  // a stop that was asked for is no end of the source

  SECTION("and starts again for another listener, from a whole picture") {
    Recorder second;
    std::optional<bool> whole;
    second.look = [&](Frame& frame) {
      if (!whole) whole = frame.damage.everything();
    };
    REQUIRE(test->start(offer(), second));
    REQUIRE(second.wait_frames(2));
    test->stop();
    CHECK(whole == true);
  }
}

TEST_CASE("an offer the test source cannot meet is refused") {
  Recorder recorder;
  const auto bgra = source("test:64x48@60,format=BGRA");
  auto refused = bgra->start(offer({PixelFormat::BGRx}), recorder);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Unsupported);
  FormatOffer dmabuf_only = offer({PixelFormat::BGRA});
  dmabuf_only.shared_memory = false;
  CHECK(bgra->start(dmabuf_only, recorder).error().kind == ErrorKind::Unsupported);
  CHECK(source("test")->start(offer({PixelFormat::NV12}), recorder).error().kind == ErrorKind::Unsupported);
  CHECK(recorder.states().empty());
  REQUIRE(bgra->start(offer({PixelFormat::BGRA}), recorder));
  CHECK_FALSE(bgra->start(offer({PixelFormat::BGRA}), recorder));
}
