// Dmabufs from a real PipeWire, recorded by the whole program on lavapipe and the software NVIDIA driver: every picture
// is read back from the file.
#include "integration/capture/rig.h"
#include "integration/zerocopy/check_snapshot.h"
#include "integration/zerocopy/run_program.h"
#include "session/recording.h"
#include "session/snapshot.h"
#include "softgpu/control.h"
#include "tools/decode.h"
#include "tools/frame_report.h"
#include "vklayer/test_modifiers.h"

#include <dlfcn.h>

#include <array>
#include <catch2/generators/catch_generators.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <thread>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// A daemon of our own. lavapipe keeps its compiled shaders across cases, each of which runs in a process of its own
/// with a home of its own: a second of compiling otherwise, several on a busy machine.
std::unique_ptr<PrivatePipeWire> private_pipewire() {
  ::setenv("MESA_SHADER_CACHE_DIR", ZEROCAST_SHADER_CACHE, 0);
  return pipewire();
}

void set_faults(const char* faults) {
  void* library = dlopen("libcuda.so.1", RTLD_LAZY);
  REQUIRE(library != nullptr);
  const auto set = reinterpret_cast<decltype(&softgpu_set_faults)>(dlsym(library, "softgpu_set_faults"));
  REQUIRE(set != nullptr);
  REQUIRE(set(faults));
}

/// What the program holds on the GPU.
softgpu::LiveObjects live_objects() {
  softgpu::LiveObjects live;
  const auto count = reinterpret_cast<decltype(&softgpu_live_objects)>(
      dlsym(dlopen("libcuda.so.1", RTLD_LAZY), "softgpu_live_objects"));
  REQUIRE(count != nullptr);
  count(&live);
  return live;
}

ProducerOptions dmabufs(Size size = {320, 180}) {
  ProducerOptions options;
  options.size = size;
  options.rate = {30, 1};
  options.memory = Memory::DmaBuf;
  options.modifiers = {0};
  return options;
}

/// What was told of routes; read when the recording is over.
struct Routes final : RecordingEvents {
  void on_source(const Error* /*lost*/) override {}
  void on_output(const std::string& /*name*/, const Error& /*error*/, bool /*fatal*/) override {}
  void on_encoder(std::string_view /*before*/, std::string_view /*now*/) override {}
  void on_route(std::string_view before, std::string_view now, std::string_view reason) override {
    changes.push_back({std::string(before), std::string(now), std::string(reason)});
  }
  std::vector<std::array<std::string, 3>> changes;
};

/// A change that waits for change_now().
constexpr auto kNever = std::numeric_limits<std::uint64_t>::max();

/// Records until enough pictures are coded, and as many again after each change of the producer's.
RecordingReport record(TestProducer& producer, const std::string& file, std::uint64_t packets,
                       ZerocopyMode mode = ZerocopyMode::Auto, RecordingEvents* events = nullptr,
                       unsigned changes = 0) {
  RecordingOptions options;
  options.events = events;
  options.source = NodeSpec{NodeSpec::Id{producer.node_id()}};
  options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  options.encoder.preset = Preset::LowLatency;
  options.toggles.zerocopy = mode;
  auto recording = Recording::start(std::move(options), {});
  if (!recording) FAIL(recording.error().error.message());
  for (unsigned change = 0;; ++change) {
    const std::uint64_t enough = (*recording)->status().packets + packets;
    const Nanoseconds deadline = monotonic_now() + 120s;
    while ((*recording)->status().packets < enough && monotonic_now() < deadline) {
      if ((*recording)->wait(20ms)) break;
    }
    if (change == changes) return (*recording)->finish();
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

}  // namespace

TEST_CASE("dmabufs go through one pass on the GPU into NVENC") {
  set_faults("");
  const auto daemon = private_pipewire();
  ProducerOptions options = dmabufs();
  const bool cursor = GENERATE(false, true);
  options.cursor = cursor;  // over the mark, for some pictures
  options.cursor_only = cursor ? CursorOnly::SizeZero : CursorOnly::None;
  const auto producer = produce(std::move(options));
  const std::string file = daemon->folder() / "plain.mkv";
  const RecordingReport report = record(*producer, file, 40);
  CHECK(report.route == "vulkan+cuda");
  CHECK(report.encoder == "h264_nvenc");
  CHECK(report.failed_encoders.empty());
  CHECK(report.source.dmabuf);
  const FrameReport frames = check(file, !cursor);
  CHECK(frames.frames == report.counters.packets);
  if (!cursor) CHECK(frames.distinct >= 10);
}

TEST_CASE("one picture of dmabufs: of their source, every colour by the GPU, or out of NVENC's surfaces") {
  set_faults("");
  const auto daemon = private_pipewire();
  const auto producer = produce(dmabufs());
  RecordingOptions options;
  options.source = NodeSpec{NodeSpec::Id{producer->node_id()}};
  options.toggles.zerocopy = ZerocopyMode::Required;
  const std::string first = daemon->folder() / "first.png";
  auto picture = first_picture(options, {});
  if (!picture) FAIL(picture.error().error.message());
  REQUIRE(save_png(std::move(*picture), {.path = first}));
  check_snapshot(first, {320, 180}, 0);

  const std::string file = daemon->folder() / "snapshot.mkv";
  options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  const auto recording = Recording::start(options, {});
  if (!recording) FAIL(recording.error().error.message());
  check_snapshot_of(**recording, daemon->folder() / "later.png", {320, 180});
  const RecordingReport report = (*recording)->finish();
  CHECK(report.route == "vulkan+cuda");
  CHECK(report.failed_encoders.empty());
  check(file);
}

TEST_CASE("an encoder on the GPU that dies is replaced, also when the device goes with it") {
  const char* fault = GENERATE("encode=12", "lost=12", "register-imported");
  CAPTURE(fault);
  set_faults(fault);
  const auto daemon = private_pipewire();
  ProducerOptions options = dmabufs();
  options.memory = Memory::Either;  // without its GPU the importer asks for shared memory
  const auto producer = produce(std::move(options));
  const std::string file = daemon->folder() / "fault.mkv";
  Routes routes;
  const RecordingReport report = record(*producer, file, 40, ZerocopyMode::Auto, &routes);
  set_faults("");
  const bool copies = std::string_view(fault) == "register-imported";
  REQUIRE(routes.changes.empty() == copies);
  if (!copies) {
    CHECK(routes.changes[0][0] == "vulkan+cuda");
    // A lost device is noticed by the encoder or by the next picture, whichever comes first.
    const bool by_picture = std::string_view(fault) == "lost=12" && routes.changes[0][1] == "cpu";
    CHECK(routes.changes.size() <= (by_picture ? 2 : 1));  // a second later the GPU is back
    if (by_picture) {
      CHECK(routes.changes[0][2] == "import GPU memory into CUDA: CUDA_ERROR_UNKNOWN: unknown error");
    } else {
      CHECK(routes.changes[0][1] == "vulkan");
      CHECK(routes.changes[0][2] == "the encoder that took over is given its pictures elsewhere");
    }
  }
  CHECK(report.encoder == (copies ? "h264_nvenc" : "libx264"));
  CHECK(report.failed_encoders.size() == (copies ? 0 : 1));
  CHECK_FALSE(report.outputs.front().error);
  const FrameReport frames = check(file);
  CHECK(frames.frames == report.counters.packets);
  CHECK(frames.frames >= 40);
  CHECK(frames.distinct >= 20);
}

TEST_CASE("the route is not there: the next one, or the reason") {
  const auto daemon = private_pipewire();
  const auto producer = produce(dmabufs());
  set_faults("import");
  const std::string file = daemon->folder() / "none.mkv";
  RecordingOptions options;
  options.source = NodeSpec{NodeSpec::Id{producer->node_id()}};
  options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  options.toggles.zerocopy = ZerocopyMode::Required;
  const auto refused = Recording::start(std::move(options), {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().error.kind == ErrorKind::Unsupported);
  CHECK(refused.error().error.message().find("import GPU memory into CUDA") != std::string::npos);
  set_faults("");
  const RecordingReport strict = record(*producer, daemon->folder() / "strict.mkv", 20, ZerocopyMode::Required);
  CHECK(strict.route == "vulkan+cuda");
  CHECK(strict.source.dmabuf);
}

TEST_CASE("without zero-copy the same producer is not asked for dmabufs") {
  set_faults("");
  const auto daemon = private_pipewire();
  ProducerOptions options = dmabufs();
  options.memory = Memory::Either;
  const auto producer = produce(std::move(options));
  const std::string file = daemon->folder() / "off.mkv";
  const RecordingReport report = record(*producer, file, 20, ZerocopyMode::Off);
  CHECK(report.route == "cpu");
  CHECK(report.encoder == "h264_nvenc");
  CHECK_FALSE(report.source.dmabuf);
  CHECK(check(file).frames == report.counters.packets);
}

TEST_CASE("pictures change their size under the recording") {
  set_faults("");
  const auto daemon = private_pipewire();
  ProducerOptions options = dmabufs({640, 360});
  options.changes = {{.at = kNever, .size = Size{480, 360}, .format = {}},
                     {.at = kNever, .size = Size{320, 180}, .format = {}}};
  const auto producer = produce(std::move(options));
  const std::string file = daemon->folder() / "sizes.mkv";
  const RecordingReport report = record(*producer, file, 15, ZerocopyMode::Auto, nullptr, 2);
  CHECK(report.route == "vulkan+cuda");
  CHECK(report.encoder == "h264_nvenc");
  CHECK(report.size == Size{640, 360});
  auto decoder = Decoder::open(file);
  REQUIRE(decoder);
  const auto frames = check_frames(std::move(*decoder), {640, 360});
  REQUIRE(frames);
  CHECK(frames->decode_errors == 0);
  CHECK(frames->frames == report.counters.packets);
}

TEST_CASE("the coded size follows the pictures', in the GPU's memory and in the host's") {
  set_faults("");
  const std::string encoder = GENERATE("h264_nvenc", "libx264");
  CAPTURE(encoder);
  const auto daemon = private_pipewire();
  ProducerOptions producer = dmabufs({640, 360});
  producer.changes = {{.at = kNever, .size = Size{480, 270}, .format = {}},
                      {.at = kNever, .size = Size{320, 180}, .format = {}}};
  const auto source = produce(std::move(producer));
  const std::string file = daemon->folder() / "follow.mp4";
  RecordingOptions options;
  options.source = NodeSpec{NodeSpec::Id{source->node_id()}};
  options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  options.encoder.preset = Preset::LowLatency;
  options.encoder.encoder = encoder;
  options.follow_size = true;
  auto recording = Recording::start(std::move(options), {});
  REQUIRE(recording);
  std::uint64_t packets = 0;
  const auto reach = [&](Size size) {
    packets += 5;
    const auto there = [&] { return (*recording)->size() == size && (*recording)->status().packets >= packets; };
    for (const Nanoseconds deadline = monotonic_now() + 120s; !there() && monotonic_now() < deadline;) {
      if ((*recording)->wait(20ms)) break;
    }
    packets = (*recording)->status().packets;
    CHECK((*recording)->size() == size);
  };
  reach({640, 360});
  source->change_now();
  reach({480, 270});
  source->change_now();
  reach({320, 180});
  static_cast<void>((*recording)->wait(500ms));
  const RecordingReport report = (*recording)->finish();
  CHECK(report.route == (encoder == "libx264" ? "vulkan" : "vulkan+cuda"));
  CHECK(report.encoder == encoder);
  CHECK(report.counters.failovers == 0);
  CHECK(report.counters.route_changes == 0);
  CHECK(report.counters.reopens == 2);
  CHECK(report.size == Size{320, 180});
  const std::vector further{daemon->folder() / "follow-2.mp4", daemon->folder() / "follow-3.mp4"};
  REQUIRE(report.outputs.front().further_files == std::vector<std::string>(further.begin(), further.end()));
  const FrameReport first = check(file, false);
  const FrameReport second = check(further[0], false);
  const FrameReport third = check(further[1], false);
  CHECK(first.media.size == Size{640, 360});
  CHECK(second.media.size == Size{480, 270});
  CHECK(third.media.size == Size{320, 180});
  CHECK(first.frames + second.frames + third.frames == report.counters.packets);
  CHECK(third.marked == third.frames);
}

TEST_CASE("a source that changes its size fifty times loses no picture") {
  set_faults("");
  const bool follow = GENERATE(false, true);
  CAPTURE(follow);
  const auto daemon = private_pipewire();
  ProducerOptions producer = dmabufs({640, 360});
  producer.rate = {8, 1};  // four may wait: a busy machine has half a second for an encoder that is opened anew
  for (std::uint32_t i = 0; i < 50; ++i) {
    const Size size{640 - 8 * (i + 1), 360 - 4 * (i + 1)};
    producer.changes.push_back({.at = i == 0 ? kNever : 0, .size = size, .format = {}, .after = 1});
  }
  const auto source = produce(std::move(producer));
  RecordingOptions options;
  options.source = NodeSpec{NodeSpec::Id{source->node_id()}};
  const std::string file = daemon->folder() / "fifty.ts";
  options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  options.encoder.encoder = "libx264";
  options.follow_size = follow;
  auto recording = Recording::start(std::move(options), {});
  REQUIRE(recording);
  const Nanoseconds deadline = monotonic_now() + 120s;
  const auto capture = [&](std::uint64_t enough) {
    while ((*recording)->status().captured < enough && monotonic_now() < deadline) {
      if ((*recording)->wait(20ms)) break;
    }
  };
  capture(5);
  source->change_now();
  capture((*recording)->status().captured + 75);
  const RecordingReport report = (*recording)->finish();
  CHECK(report.route == "vulkan");
  CHECK(report.encoder == "libx264");
  CHECK(report.size == (follow ? Size{240, 160} : Size{640, 360}));
  CHECK(report.counters.reopens == (follow ? 1 : 0));
  CHECK(report.counters.route_changes == 0);
  // On a busy machine the producer's buffers go at a change before PipeWire has handed the last one over.
  const std::uint64_t never_came = report.source_stats.skipped;
  CHECK(never_came <= 2);
#if !defined(__SANITIZE_ADDRESS__)  // a busy machine does not hold 8 Hz with it
  CHECK(report.counters.dropped == never_came);
#endif
  CHECK(report.counters.packets - report.counters.repeated + report.counters.dropped == report.counters.captured);
  auto decoder = Decoder::open(file);
  REQUIRE(decoder);
  const auto frames = check_frames(std::move(*decoder), {});
  REQUIRE(frames);
  CHECK(frames->decode_errors == 0);
  CHECK(frames->frames == report.counters.packets);
  CHECK(frames->pts_not_rising == 0);
}

namespace {

/// The program's own words, after it has recorded in `environment` until that was enough.
std::string run_program(const PrivatePipeWire& daemon, const TestProducer& producer, const std::string& file,
                        const std::vector<std::string>& environment,
                        const std::function<bool(const FrameReport&, const std::string&)>& enough) {
  std::vector<std::string> command{"env"};
  command.insert(command.end(), environment.begin(), environment.end());
  for (const std::string& word : std::initializer_list<std::string>{ZEROCAST_BINARY, "record", "--source",
                                                                    "node:" + std::to_string(producer.node_id()),
                                                                    "--codec", "h264", "--json", file}) {
    command.push_back(word);
  }
  return run_until(command, daemon.folder() / "log", file, enough);
}

bool some_pictures(const FrameReport& file, const std::string& /*words*/) { return file.distinct >= 10; }

}  // namespace

TEST_CASE("the program itself says which way it goes") {
  const auto daemon = private_pipewire();
  const auto producer = produce(dmabufs());
  set_faults("");
  const std::string file = daemon->folder() / "binary.mkv";
  const std::string words = run_program(*daemon, *producer, file, {}, some_pictures);
  CAPTURE(words);
  CHECK(words.find("h264_nvenc (vulkan+cuda)") != std::string::npos);
  CHECK(check(file).distinct >= 10);
}

TEST_CASE("a driver that imports no dmabufs into Vulkan: EGL reads them") {
  const auto daemon = private_pipewire();
  const auto producer = produce(dmabufs());
  const std::vector<std::string> environment{"VK_LAYER_PATH=" ZEROCAST_VKLAYER_DIR,
                                             "VK_INSTANCE_LAYERS=VK_LAYER_ZEROCAST_modifiers",
                                             "ZEROCAST_VKLAYER_HIDE=VK_EXT_external_memory_dma_buf"};
  const std::string file = daemon->folder() / "next.mkv";
  const std::string words = run_program(*daemon, *producer, file, environment, some_pictures);
  CAPTURE(words);
  CHECK(words.find("h264_nvenc (egl+cuda)") != std::string::npos);
  CHECK(check(file).distinct >= 10);
}

TEST_CASE("a driver that refuses in mid-stream what it took before: the recording goes on in another layout") {
  static constexpr std::string_view kRefused = "vulkan does not take";
  struct Case {
    const char* refusal;
    const char* route;
    bool other_way;  ///< another route reads them
  };
  const auto wanted = GENERATE(Case{"tiled:3", "vulkan+cuda", false}, Case{"all:3", "egl+cuda", true});
  CAPTURE(wanted.refusal);
  const auto daemon = private_pipewire();
  ProducerOptions options = dmabufs();
  options.memory = Memory::Either;
  options.formats = {PixelFormat::BGRx, PixelFormat::RGBx};
  options.modifiers = {wanted.other_way ? kModifierLinear : kTiledModifier, kModifierLinear};
  options.changes = {{.at = kNever, .size = {}, .format = PixelFormat::RGBx}};  // new buffers
  const auto producer = produce(std::move(options));
  const std::string file = daemon->folder() / "refused.mkv";
  std::optional<std::uint32_t> before;  // the newest picture when it changes
  const std::string words =
      run_program(*daemon, *producer, file,
                  {"VK_LAYER_PATH=" ZEROCAST_VKLAYER_DIR, "VK_INSTANCE_LAYERS=VK_LAYER_ZEROCAST_modifiers",
                   std::string("ZEROCAST_VKLAYER_REFUSE=") + wanted.refusal, "ZEROCAST_LOG=info"},
                  [&](const FrameReport& so_far, const std::string& said) {
                    if (!before && so_far.distinct >= 5) {
                      before = so_far.last_mark;
                      producer->change_now();
                    }
                    return before && so_far.last_mark > *before + 5 && said.find(kRefused) != std::string::npos;
                  });
  CAPTURE(words);
  // What no part of the program can read is dropped; a picture that another route reads is not.
  CHECK((words.find("dropped a picture") == std::string::npos) == wanted.other_way);
  // Nor has the source to be asked for another layout.
  CHECK((words.find("asking the source for") == std::string::npos) == wanted.other_way);
  const FrameReport frames = check(file);  // every picture's number in order, none stale
  REQUIRE(before);
  REQUIRE(frames.first_mark);
  REQUIRE(frames.last_mark);
  CHECK(*frames.first_mark < *before);
  CHECK(*frames.last_mark > *before + 5);
  CHECK(words.find("\"route\":\"" + std::string(wanted.route) + '"') != std::string::npos);
}

TEST_CASE("a machine that sleeps: nothing is left on the GPU, and dmabufs go the same way after it") {
  set_faults("");
  const auto daemon = private_pipewire();
  const bool reconnect = GENERATE(false, true);
  const auto producer = produce(dmabufs());
  const std::string file = daemon->folder() / "slept.mkv";
  RecordingOptions options;
  options.source = NodeSpec{NodeSpec::Id{producer->node_id()}};
  options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  options.encoder.preset = Preset::LowLatency;
  options.reconnect = reconnect;
  options.patience.sleep = 60s;  // however busy this machine is
  auto started = Recording::start(std::move(options), {});
  if (!started) FAIL(started.error().error.message());
  Recording& recording = **started;
  const auto reach = [&](std::uint64_t packets) {
    for (const Nanoseconds deadline = monotonic_now() + 120s; monotonic_now() < deadline;) {
      if (recording.status().packets >= packets || recording.wait(20ms)) break;
    }
    REQUIRE(recording.status().packets >= packets);
  };
  reach(15);
  CHECK(live_objects().external_memories > 0);
  recording.set_asleep(true);
  REQUIRE(recording.wait_until_let_go(60s));
  CHECK(live_objects() == softgpu::LiveObjects{});
  const std::uint64_t before = recording.status().packets;
  recording.set_asleep(false);
  reach(before + 15);
  CHECK(live_objects().external_memories > 0);
  const RecordingReport report = recording.finish();
  CHECK(report.route == "vulkan+cuda");
  CHECK(report.encoder == "h264_nvenc");
  CHECK(report.source.dmabuf);
  CHECK(report.counters.source_reconnects == 0);
  CHECK(report.counters.failovers == 0);
  const FrameReport frames = check(file);
  CHECK(frames.frames == report.counters.packets);
  CHECK(frames.keyframes >= 2);
}
