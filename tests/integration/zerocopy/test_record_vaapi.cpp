// Dmabufs from a real PipeWire, recorded by the whole program on the stand-in VA driver and lavapipe, which a layer
// puts behind the same render node: every picture is read back from the file.
#include "integration/capture/rig.h"
#include "integration/zerocopy/check_snapshot.h"
#include "integration/zerocopy/run_program.h"
#include "session/recording.h"
#include "softva/support.h"
#include "support/wayland_server.h"
#include "tools/decode.h"
#include "tools/frame_report.h"

#include <sys/sysmacros.h>

#include <catch2/generators/catch_generators.hpp>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// Before anything of Vulkan is loaded.
[[maybe_unused]] const bool kLayered = [] {
  ::setenv("VK_LAYER_PATH", ZEROCAST_VKLAYER_DIR, 1);
  ::setenv("VK_INSTANCE_LAYERS", "VK_LAYER_ZEROCAST_modifiers", 1);
  ::setenv("ZEROCAST_VKLAYER_NODE", "226:128", 1);
  return true;
}();

ProducerOptions dmabufs(Size size = {320, 180}) {
  ProducerOptions options;
  options.size = size;
  options.rate = {15, 1};  // on a busy machine, cycles that overrun make PipeWire 1.4 lend a buffer twice
  options.memory = Memory::DmaBuf;
  options.modifiers = {0};
  return options;
}

/// A change that waits for change_now().
constexpr auto kNever = std::numeric_limits<std::uint64_t>::max();

/// Records until enough pictures are coded, and as many again after each change of the producer's.
RecordingReport record(TestProducer& producer, const std::string& file, std::uint64_t packets,
                       ZerocopyMode mode = ZerocopyMode::Auto, unsigned changes = 0, bool follow_size = false) {
  RecordingOptions options;
  options.source = NodeSpec{NodeSpec::Id{producer.node_id()}};
  options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  options.encoder.preset = Preset::LowLatency;
  options.toggles.zerocopy = mode;
  options.follow_size = follow_size;
  auto recording = Recording::start(std::move(options), {});
  if (!recording) FAIL(recording.error().error.message());
  std::optional<Size> size;
  for (unsigned change = 0;; ++change) {
    const std::uint64_t enough = (*recording)->status().packets + packets;
    const auto there = [&] {
      return (!follow_size || (*recording)->size() != size) && (*recording)->status().packets >= enough;
    };
    for (const Nanoseconds deadline = monotonic_now() + 120s; !there() && monotonic_now() < deadline;) {
      if ((*recording)->wait(20ms)) break;
    }
    if (change == changes) return (*recording)->finish();
    size = (*recording)->size();
    producer.change_now();
  }
}

/// `marked`: the mark can be read in every picture.
FrameReport check(const std::string& file, bool marked = true) {
  auto decoder = Decoder::open(file);
  if (!decoder) FAIL(decoder.error().message());
  auto report = check_frames(std::move(*decoder), {});
  REQUIRE(report);
  CHECK(report->decode_errors == 0);
  if (marked) CHECK(report->marked == report->frames);
  CHECK(report->out_of_order == 0);
  CHECK(report->pts_not_rising == 0);
  CHECK(report->colour.matrix == ColourMatrix::BT709);
  return *report;
}

void check_nothing_left() {
  const softva::Counts counts = va_counts();
  CHECK(counts.surfaces == 0);
  CHECK(counts.buffers == 0);
  CHECK(counts.images == 0);
  CHECK(counts.contexts == 0);
  CHECK(counts.configs == 0);
}

}  // namespace

TEST_CASE("dmabufs go through one pass into VA-API's encoder") {
  const auto daemon = pipewire();
  ProducerOptions options = dmabufs();
  const bool cursor = GENERATE(false, true);
  options.cursor = cursor;  // over the mark, for some pictures
  options.cursor_only = cursor ? CursorOnly::SizeZero : CursorOnly::None;
  const auto producer = produce(std::move(options));
  const std::string file = daemon->folder() / "plain.mkv";
  const softva::Counts before = va_counts();
  const RecordingReport report = record(*producer, file, 40);
  CHECK(report.route == "vulkan+vaapi");
  CHECK(report.encoder == "h264_vaapi");
  CHECK(report.failed_encoders.empty());
  CHECK(report.source.dmabuf);
  const FrameReport frames = check(file, !cursor);
  CHECK(frames.frames == report.counters.packets);
  if (!cursor) CHECK(frames.distinct >= 10);
  // Each of the encoder's surfaces was exported once.
  CHECK(va_counts().exports - before.exports < 40);
  check_nothing_left();
}

TEST_CASE("a picture is read from VA-API's surfaces while they are encoded") {
  const auto daemon = pipewire();
  const auto producer = produce(dmabufs());
  const std::string file = daemon->folder() / "snapshot.mkv";
  RecordingOptions options;
  options.source = NodeSpec{NodeSpec::Id{producer->node_id()}};
  options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  const auto recording = Recording::start(options, {});
  if (!recording) FAIL(recording.error().error.message());
  check_snapshot_of(**recording, daemon->folder() / "picture.png", {320, 180});
  const RecordingReport report = (*recording)->finish();
  CHECK(report.route == "vulkan+vaapi");
  CHECK(report.failed_encoders.empty());
  check(file);
  check_nothing_left();
}

TEST_CASE("an encoder that dies is replaced, also when the device goes with it") {
  const char* fault = GENERATE("encode=12", "lost=30");
  CAPTURE(fault);
  const auto daemon = pipewire();
  ProducerOptions options = dmabufs();
  options.memory = Memory::Either;  // without its GPU the importer asks for shared memory
  const auto producer = produce(std::move(options));
  const std::string file = daemon->folder() / "fault.mkv";
  const VaFaults faults(fault);
  const RecordingReport report = record(*producer, file, 40);
  CHECK(report.encoder == "libx264");
  CHECK(report.failed_encoders.size() == 1);
  CHECK_FALSE(report.outputs.front().error);
  const FrameReport frames = check(file);
  CHECK(frames.frames == report.counters.packets);
  CHECK(frames.frames >= 40);
  CHECK(frames.distinct >= 20);
}

TEST_CASE("the route is not there: the next one, or the reason") {
  const auto daemon = pipewire();
  ProducerOptions options = dmabufs();
  options.memory = Memory::Either;
  const auto producer = produce(std::move(options));
  {
    const VaFaults faults("export");
    const std::string file = daemon->folder() / "none.mkv";
    RecordingOptions required;
    required.source = NodeSpec{NodeSpec::Id{producer->node_id()}};
    required.outputs.push_back(parse_output(file, std::nullopt, false).value());
    required.toggles.zerocopy = ZerocopyMode::Required;
    const auto refused = Recording::start(std::move(required), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().error.kind == ErrorKind::Unsupported);
    CHECK(refused.error().error.message().find("vaapi: find a card with VA-API: softva") != std::string::npos);
    // Pictures of host memory are uploaded by FFmpeg.
    const RecordingReport next = record(*producer, daemon->folder() / "next.mkv", 20);
    CHECK((next.route == "cpu" || next.route == "vulkan"));
    CHECK(next.encoder == "h264_vaapi");
    CHECK(check(daemon->folder() / "next.mkv").frames == next.counters.packets);
  }
  const RecordingReport strict = record(*producer, daemon->folder() / "strict.mkv", 20, ZerocopyMode::Required);
  CHECK(strict.route == "vulkan+vaapi");
  CHECK(strict.source.dmabuf);
}

TEST_CASE("pictures change their size under the recording") {
  const auto daemon = pipewire();
  ProducerOptions options = dmabufs({640, 360});
  options.changes = {{.at = kNever, .size = Size{480, 360}, .format = {}},
                     {.at = kNever, .size = Size{320, 180}, .format = {}}};
  const auto producer = produce(std::move(options));
  const std::string file = daemon->folder() / "sizes.mkv";
  const RecordingReport report = record(*producer, file, 15, ZerocopyMode::Auto, 2);
  CHECK(report.route == "vulkan+vaapi");
  CHECK(report.encoder == "h264_vaapi");
  CHECK(report.size == Size{640, 360});
  auto decoder = Decoder::open(file);
  REQUIRE(decoder);
  const auto frames = check_frames(std::move(*decoder), {640, 360});
  REQUIRE(frames);
  CHECK(frames->decode_errors == 0);
  CHECK(frames->frames == report.counters.packets);
  check_nothing_left();
}

TEST_CASE("the coded size follows the pictures', in surfaces of the card's") {
  const auto daemon = pipewire();
  ProducerOptions options = dmabufs({640, 360});
  options.changes = {{.at = kNever, .size = Size{480, 360}, .format = {}},
                     {.at = kNever, .size = Size{320, 180}, .format = {}}};
  const auto producer = produce(std::move(options));
  const std::string file = daemon->folder() / "follow.mkv";
  const RecordingReport report = record(*producer, file, 10, ZerocopyMode::Auto, 2, true);
  CHECK(report.route == "vulkan+vaapi");
  CHECK(report.encoder == "h264_vaapi");
  CHECK(report.counters.failovers == 0);
  CHECK(report.size == Size{320, 180});
  REQUIRE(report.outputs.front().further_files.size() == 2);
  const FrameReport first = check(file, false);
  const FrameReport second = check(report.outputs.front().further_files[0], false);
  const FrameReport third = check(report.outputs.front().further_files[1]);
  CHECK(second.media.size == Size{480, 360});
  CHECK(third.media.size == Size{320, 180});
  CHECK(first.frames + second.frames + third.frames == report.counters.packets);
  check_nothing_left();
}

TEST_CASE("of two GPUs the one that composes is taken, or the one that is chosen") {
  const auto daemon = pipewire();
  const std::string display = daemon->folder() / "wayland-test";
  const WaylandServer compositor(display, {.dmabuf_version = 4, .device = makedev(226, 129)});
  ProducerOptions options = dmabufs();
  options.memory = Memory::Either;
  const auto producer = produce(std::move(options));
  const auto words_of = [&](const std::vector<std::string>& environment, const std::vector<std::string>& wanted) {
    const std::string file = daemon->folder() / "two.mkv";
    std::filesystem::remove(file);
    std::filesystem::remove(daemon->folder() / "log");
    std::vector<std::string> command{"env",
                                     std::string("LD_PRELOAD=") + ZEROCAST_SOFTVA_NODE,
                                     "SOFTVA_NODES=2",
                                     "ZEROCAST_LOG=debug",
                                     "WAYLAND_DISPLAY=" + display,
                                     "ZEROCAST_CONFIG=/dev/null",
                                     "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere"};
    command.insert(command.end(), environment.begin(), environment.end());
    command.insert(command.end(), {ZEROCAST_BINARY, "record", "--codec", "h264"});
    command.insert(command.end(), wanted.begin(), wanted.end());
    command.push_back(file);
    return run_until(command, daemon->folder() / "log", file,
                     [](const FrameReport& so_far, const std::string& /*words*/) { return so_far.distinct >= 3; });
  };
  const auto says = [](const std::string& words, std::string_view what) {
    return words.find(what) != std::string::npos;
  };
  const std::string node = "node:" + std::to_string(producer->node_id());
  {
    // There is no portal behind it: the GPU is opened before that is asked.
    const std::string words = words_of({"ZEROCOPY_SOFTWARE=1"}, {"--source", "portal"});
    CAPTURE(words);
    CHECK(says(words, "GPU: /dev/dri/renderD129 (compositor)"));
    CHECK(says(words, "(/dev/dri/renderD129)"));
    CHECK_FALSE(says(words, "(/dev/dri/renderD128)"));
  }
  {
    // What is behind a node nobody knows: the first.
    const std::string words = words_of({"ZEROCOPY_SOFTWARE=1"}, {"--source", node});
    CAPTURE(words);
    CHECK(says(words, "(/dev/dri/renderD128)"));
    CHECK(says(words, "h264_vaapi (vulkan+vaapi)"));
  }
  {
    const std::string words =
        words_of({"ZEROCAST_VKLAYER_NODE=226:129"}, {"--source", node, "--gpu", "/dev/dri/renderD129"});
    CAPTURE(words);
    CHECK(says(words, "GPU: /dev/dri/renderD129 (chosen)"));
    CHECK(says(words, "h264_vaapi (vulkan+vaapi)"));
  }
  {
    // It encodes and has no Vulkan; the other one, which has, is left alone.
    const std::string words =
        words_of({"ZEROCAST_VKLAYER_NODE=226:129"}, {"--source", node, "--gpu", "/dev/dri/renderD128"});
    CAPTURE(words);
    CHECK(says(words, "h264_vaapi (cpu)"));
    CHECK_FALSE(says(words, "renderD129"));
  }
  const std::string missing = words_of({}, {"--source", node, "--gpu", "/dev/dri/renderD140"});
  CHECK(says(missing, "there is no /dev/dri/renderD140; this machine has /dev/dri/renderD128, /dev/dri/renderD129"));
}

TEST_CASE("the program itself says which way it goes") {
  const auto daemon = pipewire();
  const auto producer = produce(dmabufs());
  const std::string file = daemon->folder() / "binary.mkv";
  const std::string words =
      run_until({"env", std::string("LD_PRELOAD=") + ZEROCAST_SOFTVA_NODE, ZEROCAST_BINARY, "record", "--source",
                 "node:" + std::to_string(producer->node_id()), "--codec", "h264", file},
                daemon->folder() / "log", file,
                [](const FrameReport& so_far, const std::string& /*words*/) { return so_far.distinct >= 10; });
  CAPTURE(words);
  CHECK(words.find("h264_vaapi (vulkan+vaapi)") != std::string::npos);
  CHECK(words.find("not given back") == std::string::npos);
  CHECK(check(file).distinct >= 10);
}
