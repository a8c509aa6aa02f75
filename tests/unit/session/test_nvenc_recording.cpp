// Whole recordings on the software NVIDIA driver, whose encoder fails on request: nothing may be missing in the file.
#include "session/recording.h"

#include "base/parked_thread.h"
#include "softgpu/control.h"
#include "support/temporary_folder.h"
#include "verify/verify.h"

#include <dlfcn.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace zc;
using test::TemporaryFolder;
using namespace std::chrono_literals;

namespace {

/// The stand-in is found as the program finds the real one; it is never unloaded.
void set_faults(const char* faults) {
  void* library = dlopen("libcuda.so.1", RTLD_LAZY);
  REQUIRE(library != nullptr);
  const auto set = reinterpret_cast<decltype(&softgpu_set_faults)>(dlsym(library, "softgpu_set_faults"));
  REQUIRE(set != nullptr);
  REQUIRE(set(faults));
}

/// Long enough for every fault below to have struck, however few pictures a busy machine lets through in a second.
constexpr std::uint64_t kPackets = 45;

struct Wanted {
  Preset preset = Preset::Balanced;
  Codec codec = Codec::H264;
  std::uint64_t packets = kPackets;
  bool hangs = false;  ///< the driver will: it is not waited for as long as a busy machine may need
};

RecordingReport record(const std::vector<std::string>& files, Wanted wanted = {}) {
  RecordingOptions options;
  options.source = parse_source("test:320x240@60").value();
  for (const std::string& file : files) options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  options.encoder.preset = wanted.preset;
  options.encoder.codec = wanted.codec;
  options.patience = wanted.hangs ? EncoderPatience{.stall = 300ms, .hang = 2s, .open = 5s}
                                  : EncoderPatience{.stall = 60s, .hang = 60s, .open = 60s};
  auto recording = Recording::start(std::move(options), {});
  REQUIRE(recording);
  for (int tries = 0; tries < 12000 && (*recording)->status().packets < wanted.packets; ++tries) {
    if ((*recording)->wait(10ms)) break;
  }
  (*recording)->request_stop();
  return (*recording)->finish();
}

/// Sound, whatever a busy machine left out before it was encoded.
verify::OrderReport check(const std::string& file) {
  verify::VerifyOptions options;
  options.input = file;
  options.decoder = DecoderBackend::Software;
  options.max_gap = 10min;
  options.allowed = {verify::FaultKind::Dropped};
  const auto report = verify::verify_stream(options);
  REQUIRE(report);
  for (const verify::Fault& fault : report->faults) UNSCOPED_INFO(fault.text);
  CHECK(report->faults.empty());
  CHECK(report->order.marked == report->order.pictures);
  CHECK(report->colour.matrix == ColourMatrix::BT709);
  CHECK(report->keyframes > 0);
  return report->order;
}

/// Every picture that was captured and not counted as dropped is in the file.
void check_whole(const std::string& file, const RecordingReport& report) {
  const verify::OrderReport order = check(file);
  CHECK(order.pictures == report.counters.packets);
  CHECK(order.distinct + report.counters.dropped >= report.counters.captured);
}

/// Lets calls that hang go on, and waits until they have.
void end_hangs() {
  set_faults("");
  for (int tries = 0; tries < 6000 && parked_threads() > 0; ++tries) std::this_thread::sleep_for(10ms);
  REQUIRE(parked_threads() == 0);
}

}  // namespace

TEST_CASE("hardware is used where it works") {
  set_faults("");
  const TemporaryFolder folder;
  const std::string file = folder.file("plain.mkv");
  const RecordingReport report = record({file});
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.encoder == "h264_nvenc");
  CHECK(report.failed_encoders.empty());
  CHECK(check(file).pictures == report.counters.packets);
}

TEST_CASE("a GPU without NVENC is passed over") {
  set_faults("open=2");
  const TemporaryFolder folder;
  const std::string file = folder.file("no-nvenc.mkv");
  const RecordingReport report = record({file});
  CHECK(report.encoder == "libx264");
  CHECK(report.failed_encoders.empty());
  REQUIRE_FALSE(report.passed_over.empty());
  CHECK(report.passed_over.front().encoder == "h264_nvenc");
  CHECK_FALSE(report.passed_over.front().reason.empty());
  CHECK(check(file).pictures == report.counters.packets);
}

TEST_CASE("an encoder that dies in mid-stream is replaced and no picture is missing") {
  const std::string fault = GENERATE("encode=3", "encode=20", "stall=20", "lost=20");
  const Preset preset = GENERATE(Preset::LowLatency, Preset::Balanced);
  const std::string name = GENERATE("failover.mkv", "failover.ts");
  CAPTURE(fault, name, static_cast<int>(preset));
  set_faults(fault.c_str());
  const TemporaryFolder folder;
  const std::string file = folder.file(name);
  const RecordingReport report = record({file}, {.preset = preset, .hangs = fault.starts_with("stall")});
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.encoder == "libx264");
  CHECK(report.failed_encoders == std::vector<std::string>{"h264_nvenc"});
  REQUIRE(report.failovers.size() == 1);
  CHECK(report.failovers.front().encoder == "libx264");
  CHECK(report.failovers.front().opened > 0ns);
  CHECK(report.failovers.front().first_packet > report.failovers.front().opened);
  CHECK(report.counters.failovers == 1);
  CHECK_FALSE(report.outputs.front().error);
  check_whole(file, report);
}

TEST_CASE("an encoder that dies after many pictures is replaced in every codec") {
  const Codec codec = GENERATE(Codec::H264, Codec::HEVC);
  CAPTURE(to_string(codec));
  set_faults("encode=100");
  const TemporaryFolder folder;
  const std::string file = folder.file("late.mkv");
  const RecordingReport report = record({file}, {.preset = Preset::LowLatency, .codec = codec, .packets = 115});
  CHECK(report.end == EndReason::Stopped);
  REQUIRE(report.failovers.size() == 1);
  CHECK(report.failovers.front().failed == (codec == Codec::H264 ? "h264_nvenc" : "hevc_nvenc"));
  check_whole(file, report);
}

TEST_CASE("a driver that hangs is left behind, whichever call it hangs in, and no picture with it") {
  // The trial's session; the stream's; a picture's call in mid-stream.
  const std::string fault = GENERATE("hang-open", "hang-open=2", "hang=20");
  CAPTURE(fault);
  set_faults(fault.c_str());
  const TemporaryFolder folder;
  const std::string file = folder.file("hang.mkv");
  const RecordingReport report = record({file}, {.preset = Preset::LowLatency, .hangs = true});
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.encoder == "libx264");
  CHECK(report.stuck_threads > 0);
  if (fault == "hang=20") {
    REQUIRE(report.failovers.size() == 1);
    CHECK(report.failovers.front().reason.find("has not come back from a call") != std::string::npos);
  } else {
    REQUIRE_FALSE(report.passed_over.empty());
    CHECK(report.passed_over.front().encoder == "h264_nvenc");
    CHECK(report.passed_over.front().reason.find("has not come back from a call") != std::string::npos);
    CHECK(report.failovers.empty());
  }
  check_whole(file, report);
  end_hangs();
}

TEST_CASE("a driver that hangs with nobody to follow ends the recording with the reason") {
  set_faults("hang-open");
  const TemporaryFolder folder;
  RecordingOptions options;
  options.source = parse_source("test:320x240@60").value();
  options.outputs.push_back(parse_output(folder.file("none.mkv"), std::nullopt, false).value());
  options.encoder.encoder = "h264_nvenc";
  options.patience.open = 2s;
  auto recording = Recording::start(std::move(options), {});
  REQUIRE(recording);
  for (int tries = 0; tries < 6000 && !(*recording)->wait(10ms); ++tries) {
  }
  const RecordingReport report = (*recording)->finish();
  CHECK(report.end == EndReason::Failed);
  REQUIRE(report.failure);
  CHECK(report.failure->part == Part::Encoder);
  CHECK(report.failure->error.message() == "open h264_nvenc: its driver has not come back from a call for 2.0 s");
  CHECK(report.stuck_threads == 1);
  CHECK_FALSE(std::filesystem::exists(folder.file("none.mkv")));
  end_hangs();
}

TEST_CASE("MP4 goes on in a new file where its encoder failed, Matroska beside it in the same") {
  set_faults("encode=20");
  const TemporaryFolder folder;
  const std::string mp4 = folder.file("first.mp4");
  const std::string mkv = folder.file("whole.mkv");
  const RecordingReport report = record({mp4, mkv}, {.preset = Preset::LowLatency});
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.encoder == "libx264");
  CHECK_FALSE(report.outputs.at(0).error);
  CHECK_FALSE(report.outputs.at(1).error);
  REQUIRE(report.outputs.at(0).further_files == std::vector{folder.file("first-2.mp4")});
  CHECK(report.outputs.at(1).further_files.empty());
  const auto first = check(mp4);
  const auto second = check(folder.file("first-2.mp4"));
  CHECK(first.pictures == 19);
  CHECK(first.pictures + second.pictures == report.counters.packets);
  CHECK(second.first_number.value() > first.last_number.value());
  CHECK(check(mkv).pictures == report.counters.packets);
}

TEST_CASE("an encoder that fails with its first picture costs an MP4 nothing") {
  set_faults("encode=1");
  const TemporaryFolder folder;
  const std::string mp4 = folder.file("only.mp4");
  const RecordingReport report = record({mp4}, {.preset = Preset::LowLatency});
  CHECK(report.end == EndReason::Stopped);
  CHECK_FALSE(report.outputs.at(0).error);
  CHECK(report.outputs.at(0).further_files.empty());
  CHECK(check(mp4).pictures == report.counters.packets);
}

namespace {

/// What the program holds on the GPU.
softgpu::LiveObjects live_objects() {
  softgpu::LiveObjects live;
  const auto count = reinterpret_cast<decltype(&softgpu_live_objects)>(
      dlsym(dlopen("libcuda.so.1", RTLD_LAZY), "softgpu_live_objects"));
  REQUIRE(count != nullptr);
  count(&live);
  return live;
}

struct Events final : RecordingEvents {
  void on_source(const Error* /*lost*/) override {}
  void on_route(std::string_view /*before*/, std::string_view /*now*/, std::string_view /*reason*/) override {}
  void on_encoder(std::string_view before, std::string_view now) override {
    encoders.push_back(std::string(before) + " " + std::string(now));
  }
  void on_output(const std::string& /*name*/, const Error& /*error*/, bool /*fatal*/) override {}
  std::vector<std::string> encoders;  ///< of the recording's worker until that has ended
};

std::unique_ptr<Recording> start(const std::vector<std::string>& files, Events& events,
                                 std::optional<std::string> encoder = std::nullopt) {
  RecordingOptions options;
  options.source = parse_source("test:320x240@60").value();
  for (const std::string& file : files) options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  options.encoder.encoder = std::move(encoder);
  options.events = &events;
  options.patience.sleep = 60s;  // however busy this machine is
  auto recording = Recording::start(std::move(options), {});
  REQUIRE(recording);
  return std::move(*recording);
}

/// By so many packets further.
void go_on(Recording& recording, std::uint64_t packets = 15) {
  const std::uint64_t wanted = recording.status().packets + packets;
  for (int tries = 0; tries < 6000 && recording.status().packets < wanted; ++tries) REQUIRE_FALSE(recording.wait(10ms));
  REQUIRE(recording.status().packets >= wanted);
}

void fall_asleep(Recording& recording) {
  recording.set_asleep(true);
  REQUIRE(recording.wait_until_let_go(60s));
}

}  // namespace

TEST_CASE("nothing is left on the GPU of a machine that sleeps, and NVENC goes on in the same files after it") {
  set_faults("");
  const TemporaryFolder folder;
  const std::vector files{folder.file("slept.mp4"), folder.file("slept.mkv")};
  Events events;
  const auto recording = start(files, events);
  for (int times = 0; times < 2; ++times) {
    go_on(*recording);
    CHECK(live_objects().encode_sessions == 1);
    CHECK(live_objects().contexts > 0);
    fall_asleep(*recording);
    CHECK(live_objects() == softgpu::LiveObjects{});
    recording->set_asleep(false);
  }
  go_on(*recording);
  recording->request_stop();
  const RecordingReport report = recording->finish();
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.encoder == "h264_nvenc");
  CHECK(report.failed_encoders.empty());
  CHECK(report.counters.failovers == 0);
  CHECK(events.encoders.empty());
  for (const OutputReport& output : report.outputs) CHECK(output.further_files.empty());
  for (const std::string& file : files) check_whole(file, report);
}

TEST_CASE("a GPU that is not there after the sleep is done without, and that is told") {
  set_faults("");
  const TemporaryFolder folder;
  const std::string mp4 = folder.file("gone.mp4");
  const std::string mkv = folder.file("gone.mkv");
  Events events;
  const auto recording = start({mp4, mkv}, events);
  go_on(*recording);
  fall_asleep(*recording);
  set_faults("open=2");
  recording->set_asleep(false);
  go_on(*recording);
  // And back again.
  fall_asleep(*recording);
  set_faults("");
  recording->set_asleep(false);
  go_on(*recording);
  recording->request_stop();
  const RecordingReport report = recording->finish();
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.encoder == "h264_nvenc");
  CHECK(report.failovers.empty());
  CHECK(events.encoders == std::vector<std::string>{"h264_nvenc libx264", "libx264 h264_nvenc"});
  check_whole(mkv, report);
  // Other parameter sets are another file's, as when an encoder fails.
  CHECK(report.outputs.at(0).further_files == std::vector{folder.file("gone-2.mp4"), folder.file("gone-3.mp4")});
  const std::uint64_t pictures =
      check(mp4).pictures + check(folder.file("gone-2.mp4")).pictures + check(folder.file("gone-3.mp4")).pictures;
  CHECK(pictures == report.counters.packets);
}

TEST_CASE("an encoder that has to be is waited for after a sleep, for a while") {
  set_faults("");
  const bool returns = GENERATE(true, false);
  const TemporaryFolder folder;
  const std::string file = folder.file("forced.mkv");
  Events events;
  const auto recording = start({file}, events, "h264_nvenc");
  go_on(*recording);
  fall_asleep(*recording);
  const std::uint64_t before = recording->status().packets;
  set_faults("open=2");
  recording->set_asleep(false);
  std::this_thread::sleep_for(700ms);
  CHECK(recording->status().packets == before);
  if (returns) {
    set_faults("");
    go_on(*recording);
    recording->request_stop();
  } else {
    for (int tries = 0; tries < 6000 && !recording->wait(10ms); ++tries) {
    }
  }
  const RecordingReport report = recording->finish();
  CHECK(report.end == (returns ? EndReason::Stopped : EndReason::Failed));
  REQUIRE(report.failure.has_value() != returns);
  if (!returns) CHECK(report.failure->part == Part::Encoder);
  check_whole(file, report);
}

TEST_CASE("a GPU that fails as the machine falls asleep is used again after it") {
  set_faults("");
  const TemporaryFolder folder;
  const std::string file = folder.file("failed.mkv");
  Events events;
  const auto recording = start({file}, events);
  go_on(*recording);
  set_faults("lost=1");  // with the next picture
  fall_asleep(*recording);
  set_faults("");
  recording->set_asleep(false);
  go_on(*recording);
  recording->request_stop();
  const RecordingReport report = recording->finish();
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.encoder == "h264_nvenc");
  check_whole(file, report);
}
