// Layers that come from PipeWire: a camera that is unplugged and comes back, and one that changes its format.
#include "integration/capture/rig.h"
#include "session/recording.h"
#include "support/temporary_folder.h"
#include "tools/decode.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

constexpr Size kLayer{160, 80};
constexpr Rect kBox{200, 140, 160, 80};

struct Told final : RecordingEvents {
  void on_source(const Error*) override {}
  void on_route(std::string_view, std::string_view, std::string_view) override {}
  void on_encoder(std::string_view, std::string_view) override {}
  void on_output(const std::string&, const Error&, bool) override {}
  void on_layer(const std::string& name, const Error* gone) override {
    const std::lock_guard lock(mutex);
    layers.push_back(name + (gone != nullptr ? " gone" : " back"));
  }
  [[nodiscard]] std::vector<std::string> all() {
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

RecordingOptions options(const std::string& file, Told& told) {
  RecordingOptions o;
  o.source = parse_source("test:400x240@30").value();
  o.outputs.push_back(parse_output(file, std::nullopt, false).value());
  o.encoder.options = {{"preset", "ultrafast"}};
  o.events = &told;
  LayerOptions layer;
  layer.name = "camera";
  layer.source = parse_source("node:zerocast-layer").value();
  layer.at = LayerPoint{{kBox.x, false}, {kBox.y, false}};
  layer.size = kLayer;
  o.layers.push_back(layer);
  return o;
}

ProducerOptions camera() {
  ProducerOptions producer;
  producer.name = "zerocast-layer";
  producer.size = kLayer;
  producer.rate = {30, 1};
  return producer;
}

/// The numbers of the layer's pictures in the file, in order; those without a legible one left out.
std::vector<std::uint32_t> numbers(const std::string& file) {
  auto decoder = Decoder::open(file);
  REQUIRE(decoder);
  std::vector<std::uint32_t> all;
  while (true) {
    auto frame = decoder->next();
    REQUIRE(frame);
    if (!*frame) return all;
    const DecodedPlane& luma = (*frame)->planes[0];
    const std::size_t offset = static_cast<std::size_t>(kBox.y) * luma.stride_bytes + static_cast<std::size_t>(kBox.x);
    const std::size_t bytes = (kBox.height - 1) * luma.stride_bytes + kBox.width;
    if (const auto mark = read_mark({luma.data + offset, bytes}, luma.stride_bytes, kLayer, 1, kLayer)) {
      all.push_back(mark->frame);
    }
  }
}

}  // namespace

TEST_CASE("a layer's camera that is unplugged is cleared and waited for, and is back when it is") {
  const auto daemon = pipewire();
  const TemporaryFolder folder;
  const std::string file = folder.file("unplugged.mkv");
  Told told;
  auto first = produce(camera());
  auto recording = Recording::start(options(file, told), {});
  if (!recording) FAIL(recording.error().error.message());
  const auto shown = [&] { return (*recording)->status().layers.at(0).shown; };
  wait_until([&] { return shown() && (*recording)->status().packets > 20; });
  first.reset();
  wait_until([&] { return told.all() == std::vector<std::string>{"camera gone"}; });
  CHECK_FALSE(shown());
  std::uint64_t before = (*recording)->status().packets;
  wait_until([&] { return (*recording)->status().packets > before + 10; });
  ProducerOptions again = camera();
  again.first_number = 100'000;
  const auto second = produce(again);
  wait_until([&] { return told.all() == std::vector<std::string>{"camera gone", "camera back"}; });
  before = (*recording)->status().packets;
  wait_until([&] { return (*recording)->status().packets > before + 20; });
  CHECK(shown());
  static_cast<void>((*recording)->finish());
  const std::vector<std::uint32_t> seen = numbers(file);
  CHECK(std::ranges::is_sorted(seen));
  CHECK(std::ranges::count_if(seen, [](std::uint32_t n) { return n < 100'000; }) > 5);
  CHECK(std::ranges::count_if(seen, [](std::uint32_t n) { return n >= 100'000; }) > 5);
}

TEST_CASE("a layer that changes its format a hundred times stays where it is") {
  const auto daemon = pipewire();
  const TemporaryFolder folder;
  const std::string file = folder.file("formats.mkv");
  Told told;
  ProducerOptions producer = camera();
  const std::array formats{PixelFormat::BGRx, PixelFormat::RGBx, PixelFormat::YUY2, PixelFormat::NV12};
  producer.formats.assign(formats.begin(), formats.end());
  for (std::uint64_t i = 1; i <= 100; ++i) {
    producer.changes.push_back({.at = 5 * i, .size = {}, .format = formats.at(i % formats.size()), .after = 2});
  }
  const auto camera_node = produce(producer);
  auto recording = Recording::start(options(file, told), {});
  if (!recording) FAIL(recording.error().error.message());
  wait_until([&] { return camera_node->sent() > 520; });
  const std::uint64_t before = (*recording)->status().packets;
  wait_until([&] { return (*recording)->status().packets > before + 5; });
  static_cast<void>((*recording)->finish());
  const std::vector<std::uint32_t> seen = numbers(file);
  CHECK(std::ranges::is_sorted(seen));
  CHECK(std::set(seen.begin(), seen.end()).size() > 100);
  CHECK(told.all().empty());
}
