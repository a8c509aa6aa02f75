// Recordings with layers: what lies where is read back from the file.
#include "session/recording.h"

#include "support/temporary_folder.h"
#include "tools/decode.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using test::TemporaryFolder;
using namespace std::chrono_literals;

namespace {

RecordingOptions options(std::string_view source, const std::string& file) {
  RecordingOptions o;
  o.source = parse_source(source).value();
  o.outputs.push_back(parse_output(file, std::nullopt, false).value());
  o.encoder.options = {{"preset", "ultrafast"}};
  return o;
}

LayerOptions layer(std::string_view source, std::string name, LayerPoint at,
                   std::variant<std::monostate, double, Size> size = {}) {
  LayerOptions one;
  one.name = std::move(name);
  one.source = parse_source(source).value();
  one.at = at;
  one.size = size;
  return one;
}
LayerPoint px(double x, double y) { return {{x, false}, {y, false}}; }

/// The mark in a part of the picture, painted in that size.
std::optional<TestMark> mark_at(const test::DecodedFrame& frame, const Rect& box, Size painted = {}) {
  const test::DecodedPlane& luma = frame.planes[0];
  const std::size_t offset = static_cast<std::size_t>(box.y) * luma.stride_bytes + static_cast<std::size_t>(box.x);
  const std::size_t bytes = (box.height - 1) * luma.stride_bytes + box.width;
  return read_mark({luma.data + offset, bytes}, luma.stride_bytes, box.size(), 1,
                   painted.empty() ? box.size() : painted);
}

struct Seen {
  std::uint64_t pictures = 0;
  std::vector<double> seconds;         ///< of pictures with a legible mark
  std::vector<std::uint32_t> numbers;  ///< their marks'
  [[nodiscard]] std::size_t distinct() const { return std::set(numbers.begin(), numbers.end()).size(); }
  [[nodiscard]] bool rising() const { return std::ranges::is_sorted(numbers); }
};

Seen look(const std::string& file, const Rect& box, Size painted = {}) {
  auto decoder = test::Decoder::open(file);
  REQUIRE(decoder);
  Seen seen;
  while (true) {
    auto frame = decoder->next();
    REQUIRE(frame);
    if (!*frame) break;
    ++seen.pictures;
    if (const auto mark = mark_at(**frame, box, painted)) {
      seen.numbers.push_back(mark->frame);
      seen.seconds.push_back(static_cast<double>((*frame)->pts) / kPacketClock);
    }
  }
  return seen;
}

struct Told final : RecordingEvents {
  void on_source(const Error*) override {}
  void on_route(std::string_view, std::string_view, std::string_view) override {}
  void on_encoder(std::string_view, std::string_view) override {}
  void on_output(const std::string&, const Error&, bool) override {}
  void on_layer(const std::string& name, const Error* gone) override {
    const std::lock_guard lock(mutex);
    layers.push_back(name + (gone != nullptr ? " gone" : " back"));
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex);
    return layers;
  }
  std::mutex mutex;
  std::vector<std::string> layers;
};

template <class Good>
void wait_until(const Good& good) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!good()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(5ms);
  }
}

}  // namespace

TEST_CASE("layers are in the file, each at its place with its own pictures in order") {
  const TemporaryFolder folder;
  const std::string file = folder.file("layers.mkv");
  RecordingOptions o = options("test:640x360@30,frames=60", file);
  o.layers.push_back(layer("test:192x96@30", "right", px(440, 260)));
  o.layers.push_back(layer("test:384x192@15", "scaled", px(20, 240), Size{192, 96}));
  auto recording = Recording::start(std::move(o), {});
  REQUIRE(recording);
  REQUIRE((*recording)->wait(60s));
  const RecordingReport report = (*recording)->finish();
  CHECK(report.end == EndReason::SourceEnded);
  const Seen main = look(file, {0, 0, 640, 360});
  CHECK(main.numbers.size() == main.pictures);
  CHECK(main.rising());
  const Seen right = look(file, {440, 260, 192, 96});
  CHECK(right.rising());
  CHECK(right.distinct() > 10);
  CHECK(right.numbers.size() + 15 > main.pictures);  // one without a picture yet is not waited for
  const Seen scaled = look(file, {20, 240, 192, 96}, {384, 192});
  CHECK(scaled.rising());
  CHECK(scaled.distinct() > 5);
}

TEST_CASE("over a screen that stands still the layer paces") {
  const TemporaryFolder folder;
  const std::string file = folder.file("still.mkv");
  RecordingOptions o = options("test:320x240@30,static", file);
  o.min_rate = 0;
  o.max_rate = Rational{30, 1};
  o.layers.push_back(layer("test:160x80@25", "moving", px(100, 100)));
  auto recording = Recording::start(std::move(o), {});
  REQUIRE(recording);
  wait_until([&] { return (*recording)->status().packets >= 40; });
  const RecordingReport report = (*recording)->finish();
  const Seen moving = look(file, {100, 100, 160, 80});
  CHECK(moving.rising());
  CHECK(moving.distinct() >= 35);
  CHECK(report.counters.captured == 1);
  // At its own rate, not faster: each picture is there once.
  CHECK(moving.numbers.size() <= moving.distinct() + 5);
}

TEST_CASE("a layer whose source is gone keeps its picture for a while, then its place is cleared, and that is told") {
  const TemporaryFolder folder;
  const std::string file = folder.file("gone.mkv");
  Told told;
  RecordingOptions o = options("test:320x240@30", file);
  o.events = &told;
  o.layers.push_back(layer("test:128x64@30,frames=10", "short", px(150, 150)));
  auto recording = Recording::start(std::move(o), {});
  REQUIRE(recording);
  wait_until([&] { return told.all() == std::vector<std::string>{"short gone"}; });
  const auto status = (*recording)->status();
  REQUIRE(status.layers.size() == 1);
  CHECK_FALSE(status.layers[0].shown);
  CHECK(status.layers[0].gone);
  const std::uint64_t before = status.packets;
  wait_until([&] { return (*recording)->status().packets > before + 20; });
  static_cast<void>((*recording)->finish());
  const Seen seen = look(file, {150, 150, 128, 64});
  REQUIRE_FALSE(seen.seconds.empty());
  CHECK(seen.numbers.size() < seen.pictures);
  CHECK(seen.rising());
}

TEST_CASE("layers come, move, and go while the recording runs") {
  const TemporaryFolder folder;
  const std::string file = folder.file("changes.mkv");
  auto recording = Recording::start(options("test:320x240@30", file), {});
  REQUIRE(recording);
  Recording& running = **recording;
  const auto packets = [&] { return running.status().packets; };
  const auto more = [&] {
    const std::uint64_t now = packets();
    wait_until([&] { return packets() > now + 20; });
  };
  wait_until([&] { return packets() > 5; });
  const auto added = running.add_layer(layer("test:128x64@30", "", px(0, 160)));
  REQUIRE(added);
  CHECK(*added == "layer-1");
  wait_until([&] { return running.status().layers.at(0).shown; });
  more();
  REQUIRE(running.change_layer("layer-1", [](LayerOptions& one) -> Result<void> {
    one.at = px(180, 160);
    return {};
  }));
  more();
  CHECK(running.status().layers.at(0).box == Rect{180, 160, 128, 64});
  REQUIRE(running.remove_layer("layer-1"));
  more();
  CHECK(running.status().layers.empty());
  const auto missing = running.remove_layer("layer-1");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::NotFound);
  REQUIRE(running.add_layer(layer("test:64x32@30", "a", px(0, 0))));
  const auto twice = running.add_layer(layer("test:64x32@30", "a", px(0, 0)));
  REQUIRE_FALSE(twice);
  CHECK(twice.error().kind == ErrorKind::Invalid);
  for (int i = 0; i < 7; ++i) REQUIRE(running.add_layer(layer("test:64x32@1", "", px(0, 0))));
  const auto ninth = running.add_layer(layer("test:64x32@1", "", px(0, 0)));
  REQUIRE_FALSE(ninth);
  CHECK(ninth.error().kind == ErrorKind::Busy);
  static_cast<void>(running.finish());
  const Seen left = look(file, {0, 160, 128, 64});
  const Seen right = look(file, {180, 160, 128, 64});
  REQUIRE_FALSE(left.seconds.empty());
  REQUIRE_FALSE(right.seconds.empty());
  CHECK(left.seconds.back() < right.seconds.front());
  CHECK(right.numbers.size() < right.pictures);
}

TEST_CASE("a layer that changes its size a hundred times is drawn every time") {
  const TemporaryFolder folder;
  const std::string file = folder.file("hundred.mkv");
  TestSpec changing{.size = {160, 80}, .rate = {100, 1}, .format = {}, .frames = 210, .resizes = {}};
  for (std::uint64_t i = 0; i < 100; ++i) {
    changing.resizes.push_back({i % 2 == 0 ? Size{320, 160} : Size{160, 80}, 2 * i + 4});
  }
  RecordingOptions o = options("test:640x360@60", file);
  o.layers.push_back(layer("test", "changing", px(400, 200), Size{160, 80}));
  o.layers.back().source = changing;
  Told told;
  o.events = &told;
  auto recording = Recording::start(std::move(o), {});
  REQUIRE(recording);
  wait_until([&] { return !told.all().empty(); });
  static_cast<void>((*recording)->finish());
  const Seen small = look(file, {400, 200, 160, 80});
  const Seen large = look(file, {400, 200, 160, 80}, {320, 160});
  CHECK(small.distinct() > 5);
  CHECK(large.distinct() > 5);
}

TEST_CASE("a pause and a sleep keep the layers") {
  const TemporaryFolder folder;
  const std::string file = folder.file("sleep.mkv");
  RecordingOptions o = options("test:320x240@30", file);
  o.layers.push_back(layer("test:128x64@30", "kept", px(150, 150)));
  auto recording = Recording::start(std::move(o), {});
  REQUIRE(recording);
  Recording& running = **recording;
  const auto shown = [&] { return running.status().layers.at(0).shown; };
  wait_until([&] { return shown() && running.status().packets > 10; });
  running.set_paused(true);
  std::this_thread::sleep_for(50ms);
  running.set_paused(false);
  std::uint64_t before = running.status().packets;
  wait_until([&] { return running.status().packets > before + 10; });
  running.set_asleep(true);
  REQUIRE(running.wait_until_let_go(60s));
  CHECK_FALSE(shown());
  running.set_asleep(false);
  before = running.status().packets;
  wait_until([&] { return shown() && running.status().packets > before + 20; });
  static_cast<void>(running.finish());
  const Seen kept = look(file, {150, 150, 128, 64});
  CHECK(kept.numbers.size() + 20 > kept.pictures);
}
