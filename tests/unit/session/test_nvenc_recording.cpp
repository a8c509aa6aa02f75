// Whole recordings on the software NVIDIA driver, whose encoder fails on request: nothing may be missing in the file.
#include "session/recording.h"

#include "softgpu/control.h"
#include "tools/decode.h"
#include "tools/frame_report.h"

#include <dlfcn.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <filesystem>
#include <string>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "zc-nvenc-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

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

RecordingReport record(const std::vector<std::string>& files, Preset preset = Preset::Balanced,
                       EncoderProofs proofs = {}) {
  RecordingOptions options;
  options.proofs = std::move(proofs);
  options.source = parse_source("test:320x240@60").value();
  for (const std::string& file : files) options.outputs.push_back(parse_output(file, std::nullopt, false).value());
  options.encoder.preset = preset;
  options.patience.stall = 300ms;
  auto recording = Recording::start(std::move(options), {});
  REQUIRE(recording);
  for (int tries = 0; tries < 6000 && (*recording)->status().packets < kPackets; ++tries) {
    if ((*recording)->wait(10ms)) break;
  }
  (*recording)->request_stop();
  return (*recording)->finish();
}

test::FrameReport check(const std::string& file) {
  auto decoder = test::Decoder::open(file);
  REQUIRE(decoder);
  auto report = test::check_frames(std::move(*decoder), {});
  REQUIRE(report);
  CHECK(report->decode_errors == 0);
  CHECK(report->marked == report->frames);
  CHECK(report->out_of_order == 0);
  CHECK(report->pts_not_rising == 0);
  CHECK(report->colour.matrix == ColourMatrix::BT709);
  return *report;
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
  CHECK(check(file).frames == report.counters.packets);
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
  CHECK(check(file).frames == report.counters.packets);
}

TEST_CASE("an encoder that dies in mid-stream is replaced and no picture is missing") {
  const std::string fault = GENERATE("encode=3", "encode=20", "stall=20", "lost=20");
  const Preset preset = GENERATE(Preset::LowLatency, Preset::Balanced);
  const std::string name = GENERATE("takeover.mkv", "takeover.ts");
  CAPTURE(fault, name, static_cast<int>(preset));
  set_faults(fault.c_str());
  const TemporaryFolder folder;
  const std::string file = folder.file(name);
  const RecordingReport report = record({file}, preset);
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.encoder == "libx264");
  CHECK(report.failed_encoders == std::vector<std::string>{"h264_nvenc"});
  REQUIRE(report.takeovers.size() == 1);
  CHECK(report.takeovers.front().encoder == "libx264");
  CHECK(report.takeovers.front().opened > 0ns);
  CHECK(report.takeovers.front().first_packet > report.takeovers.front().opened);
  CHECK(report.counters.takeovers == 1);
  CHECK_FALSE(report.outputs.front().error);
  const test::FrameReport frames = check(file);
  CHECK(frames.frames == report.counters.packets);
  CHECK(frames.distinct + report.counters.dropped >= report.counters.captured);
}

TEST_CASE("an encoder that is remembered to work and fails at its first picture is replaced, then tried anew") {
  const TemporaryFolder folder;
  const EncoderProofs proofs(ProofCache(folder.file("cache/proofs")));
  set_faults("");
  CHECK(record({folder.file("before.mkv")}, Preset::LowLatency, proofs).encoder == "h264_nvenc");
  set_faults("encode=1");
  const std::string file = folder.file("first.mkv");
  const RecordingReport replaced = record({file}, Preset::LowLatency, proofs);
  CHECK(replaced.encoder == "libx264");
  CHECK(replaced.failed_encoders == std::vector<std::string>{"h264_nvenc"});
  CHECK(check(file).frames == replaced.counters.packets);
  // Now the trial shows it.
  const RecordingReport known = record({folder.file("after.mkv")}, Preset::LowLatency, proofs);
  CHECK(known.failed_encoders.empty());
  CHECK(known.passed_over.front().encoder == "h264_nvenc");
}

TEST_CASE("MP4 goes on in a new file where its encoder failed, Matroska beside it in the same") {
  set_faults("encode=20");
  const TemporaryFolder folder;
  const std::string mp4 = folder.file("first.mp4");
  const std::string mkv = folder.file("whole.mkv");
  const RecordingReport report = record({mp4, mkv}, Preset::LowLatency);
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.encoder == "libx264");
  CHECK_FALSE(report.outputs.at(0).error);
  CHECK_FALSE(report.outputs.at(1).error);
  REQUIRE(report.outputs.at(0).further_files == std::vector{folder.file("first-2.mp4")});
  CHECK(report.outputs.at(1).further_files.empty());
  const auto first = check(mp4);
  const auto second = check(folder.file("first-2.mp4"));
  CHECK(first.frames == 19);
  CHECK(first.frames + second.frames == report.counters.packets);
  CHECK(second.decode_errors == 0);
  CHECK(second.out_of_order == 0);
  CHECK(second.first_mark.value() > first.last_mark.value());
  CHECK(check(mkv).frames == report.counters.packets);
}

TEST_CASE("an encoder that fails with its first picture costs an MP4 nothing") {
  set_faults("encode=1");
  const TemporaryFolder folder;
  const std::string mp4 = folder.file("only.mp4");
  const RecordingReport report = record({mp4}, Preset::LowLatency);
  CHECK(report.end == EndReason::Stopped);
  CHECK_FALSE(report.outputs.at(0).error);
  CHECK(report.outputs.at(0).further_files.empty());
  CHECK(check(mp4).frames == report.counters.packets);
}
