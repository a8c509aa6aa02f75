// Whole recordings of a machine that sleeps: the same file goes on, and nothing that was captured is missing in it.
#include "session/recording.h"

#include "support/temporary_folder.h"
#include "tools/decode.h"
#include "tools/frame_report.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

constexpr Nanoseconds kLong = 60s;

RecordingOptions options(std::string_view source, const std::string& file) {
  RecordingOptions o;
  o.source = parse_source(source).value();
  o.outputs.push_back(parse_output(file, std::nullopt, false).value());
  o.encoder.options = {{"preset", "ultrafast"}};
  o.patience.sleep = kLong;  // however busy this machine is
  return o;
}

std::unique_ptr<Recording> start(RecordingOptions o) {
  auto recording = Recording::start(std::move(o), {});
  if (!recording) FAIL(recording.error().error.message());
  return std::move(*recording);
}

/// False: it has ended before.
bool reach(Recording& recording, std::uint64_t packets) {
  for (const Nanoseconds deadline = monotonic_now() + kLong; monotonic_now() < deadline;) {
    if (recording.status().packets >= packets) return true;
    if (recording.wait(10ms)) return false;
  }
  return false;
}

void fall_asleep(Recording& recording) {
  recording.set_asleep(true);
  REQUIRE(recording.wait_until_let_go(kLong));
  CHECK(recording.status().paused);
}

/// Goes on by so many packets.
void wake_up(Recording& recording, std::uint64_t packets = 10) {
  const std::uint64_t before = recording.status().packets;
  recording.set_asleep(false);
  CHECK(reach(recording, before + packets));
}

FrameReport check(const std::string& file) {
  auto decoder = Decoder::open(file);
  REQUIRE(decoder);
  auto report = check_frames(std::move(*decoder), {});
  REQUIRE(report);
  CHECK(report->decode_errors == 0);
  CHECK(report->marked == report->frames);
  CHECK(report->out_of_order == 0);
  CHECK(report->pts_not_rising == 0);
  return *report;
}

/// Ends it and compares the file with what the recording says of it.
RecordingReport end(Recording& recording, const std::string& file) {
  recording.request_stop();
  RecordingReport report = recording.finish();
  CHECK(report.end == EndReason::Stopped);
  CHECK_FALSE(report.failure);
  const FrameReport frames = check(file);
  CHECK(frames.frames == report.counters.packets);
  CHECK(frames.distinct == report.counters.captured - report.counters.dropped - report.counters.thinned);
  CHECK(report.counters.failovers == 0);
  return report;
}

}  // namespace

TEST_CASE("a machine that sleeps: the same file goes on, without the time of the sleep") {
  const TemporaryFolder folder;
  const std::string name = GENERATE("slept.mkv", "slept.mp4", "slept.ts");
  const std::string codec = GENERATE("libx264", "libx265");
  CAPTURE(name, codec);
  const std::string file = folder.file(name);
  RecordingOptions o = options("test:320x240@30", file);
  o.encoder.encoder = codec;
  const Nanoseconds begun = monotonic_now();
  const auto recording = start(std::move(o));
  REQUIRE(reach(*recording, 10));
  fall_asleep(*recording);
  const Nanoseconds asleep = monotonic_now();
  const RecordingStatus before = recording->status();
  std::this_thread::sleep_for(400ms);
  CHECK(recording->status().packets == before.packets);
  CHECK(recording->status().elapsed == before.elapsed);
  const std::uint64_t keyframes = before.keyframes;
  const Nanoseconds awake = monotonic_now();
  wake_up(*recording);
  CHECK_FALSE(recording->status().paused);
  CHECK(recording->status().keyframes > keyframes);
  const RecordingReport report = end(*recording, file);
  CHECK(report.duration <= monotonic_now() - begun - (awake - asleep));
  CHECK(report.outputs.front().further_files.empty());
  CHECK(report.encoder == codec);
  CHECK(report.route == "cpu");
}

TEST_CASE("a screen that stands still is there after the sleep as well, through a source that reconnects") {
  const bool reconnect = GENERATE(false, true);
  const TemporaryFolder folder;
  const std::string file = folder.file("still.mkv");
  RecordingOptions o = options("test:320x240@30,static", file);
  o.min_rate = 20;
  o.reconnect = reconnect;
  const auto recording = start(std::move(o));
  REQUIRE(reach(*recording, 3));
  fall_asleep(*recording);
  wake_up(*recording, 3);
  recording->request_stop();
  const RecordingReport report = recording->finish();
  CHECK(report.source_stats.delivered == 2);
  CHECK(report.counters.source_reconnects == 0);
  CHECK(check(file).frames == report.counters.packets);
}

TEST_CASE("constant rate goes on in its slots") {
  const TemporaryFolder folder;
  const std::string file = folder.file("constant.mkv");
  RecordingOptions o = options("test:320x240@60", file);
  o.constant_rate = Rational{30, 1};
  const auto recording = start(std::move(o));
  REQUIRE(reach(*recording, 10));
  fall_asleep(*recording);
  CHECK(recording->set_rate({20, 1}));
  wake_up(*recording);
  CHECK(recording->set_rate({30, 1}));
  recording->request_stop();
  const RecordingReport report = recording->finish();
  const FrameReport frames = check(file);
  CHECK(frames.frames == report.counters.packets);
  CHECK(frames.max_gap_seconds < 0.11);  // two slots of the slower rate
}

TEST_CASE("a recording that is stopped while the machine sleeps is complete") {
  const TemporaryFolder folder;
  const std::string file = folder.file("stopped.mp4");
  const auto recording = start(options("test:320x240@30", file));
  REQUIRE(reach(*recording, 10));
  fall_asleep(*recording);
  const std::uint64_t packets = recording->status().packets;
  const RecordingReport report = end(*recording, file);
  CHECK(report.counters.packets == packets);
  CHECK(recording->wait_until_let_go(0s));
}

TEST_CASE("the machine sleeps before the first picture, twice, and wakes before all is let go of") {
  const TemporaryFolder folder;
  const std::string file = folder.file("often.mkv");
  const auto recording = start(options("test:320x240@30", file));
  fall_asleep(*recording);
  recording->set_asleep(true);
  recording->set_asleep(false);
  REQUIRE(reach(*recording, 5));
  recording->set_asleep(true);
  recording->set_asleep(false);
  CHECK(recording->wait_until_let_go(0s));  // nobody waits for a machine that is awake
  recording->set_asleep(true);
  REQUIRE(recording->wait_until_let_go(kLong));
  wake_up(*recording, 5);
  end(*recording, file);
}

TEST_CASE("a user's pause is one thing, the machine's sleep another") {
  const TemporaryFolder folder;
  const std::string file = folder.file("paused.mkv");
  const auto recording = start(options("test:320x240@30", file));
  REQUIRE(reach(*recording, 5));
  recording->set_paused(true);
  fall_asleep(*recording);
  const std::uint64_t packets = recording->status().packets;
  recording->set_asleep(false);
  std::this_thread::sleep_for(100ms);
  CHECK(recording->status().packets == packets);
  CHECK(recording->status().paused);
  recording->set_paused(false);
  REQUIRE(reach(*recording, packets + 5));
  fall_asleep(*recording);
  recording->set_paused(true);
  recording->set_paused(false);
  wake_up(*recording, 5);
  end(*recording, file);
}

TEST_CASE("outputs come and go and a replay is saved while the machine sleeps") {
  const TemporaryFolder folder;
  RecordingOptions o = options("test:320x240@30", folder.file("first.mkv"));
  o.outputs_change = true;
  o.replay = 60s;
  const auto recording = start(std::move(o));
  REQUIRE(reach(*recording, 10));
  fall_asleep(*recording);
  const std::uint64_t before = recording->status().packets;
  const auto saved = recording->save_replay(parse_output(folder.file("replay.mkv"), std::nullopt, false).value());
  REQUIRE(saved);
  CHECK(check(folder.file("replay.mkv")).frames == before);
  REQUIRE(recording->add_output(parse_output(folder.file("second.mkv"), std::nullopt, false).value()));
  REQUIRE(recording->remove_output(folder.file("first.mkv")));
  CHECK(check(folder.file("first.mkv")).frames == before);
  wake_up(*recording);
  recording->request_stop();
  const RecordingReport report = recording->finish();
  CHECK(check(folder.file("second.mkv")).frames == report.counters.packets - before);
}

TEST_CASE("a bit rate that is set while the machine sleeps is that of the next encoder") {
  const TemporaryFolder folder;
  const std::string file = folder.file("rate.mkv");
  RecordingOptions o = options("test:320x240@30", file);
  o.encoder.bit_rate = 300'000;
  const auto recording = start(std::move(o));
  REQUIRE(reach(*recording, 5));
  fall_asleep(*recording);
  CHECK(recording->set_bitrate(600'000));
  wake_up(*recording);
  end(*recording, file);
}
