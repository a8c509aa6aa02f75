// Recordings with sound of the test source, which says when it was heard, beside its pictures, which say when they
// were painted.
#include "session/recording.h"

#include "support/loopback.h"
#include "support/temporary_folder.h"
#include "verify/verify.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <fmt/format.h>

#include <cmath>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace zc;
using test::TemporaryFolder;
using namespace std::chrono_literals;

namespace {

RecordingOptions options(const std::string& file, AudioCodec codec = AudioCodec::Opus) {
  RecordingOptions o;
  o.source = parse_source("test:320x180@30").value();
  o.outputs.push_back(parse_output(file, std::nullopt, false).value());
  o.encoder.options = {{"preset", "ultrafast"}};
  o.audio.inputs.push_back({.source = TestAudio{}});
  o.audio.encoder.codec = codec;
  return o;
}

std::unique_ptr<Recording> start(RecordingOptions o) {
  auto recording = Recording::start(std::move(o), {});
  if (!recording) FAIL(recording.error().error.message());
  return std::move(*recording);
}

bool reaches(const Recording& recording, Nanoseconds time) {
  for (int i = 0; i < 6000 && recording.status().elapsed < time; ++i) std::this_thread::sleep_for(10ms);
  return recording.status().elapsed >= time;
}

verify::VerifyOptions reading(const std::string& input) {
  // A busy machine may show pictures late; this is about the sound.
  verify::VerifyOptions o;
  o.input = input;
  o.max_gap = 60s;
  o.allowed = {verify::FaultKind::Dropped};
  o.decoder = DecoderBackend::Software;
  return o;
}

verify::VerifyReport read(const std::string& file) {
  auto report = verify::verify_stream(reading(file));
  if (!report) FAIL(report.error().message());
  return std::move(*report);
}

double seconds(std::int64_t ticks) { return static_cast<double>(ticks) / kPacketClock; }

/// Where its pictures are, without a sample too few or too many.
void check_sound(const verify::VerifyReport& report, const verify::SoundReport& sound) {
  INFO(sound.codec << ": " << sound.beeps << " beeps");
  CHECK(sound.decode_errors == 0);
  CHECK(sound.gaps == 0);
  REQUIRE(sound.sync);
  CHECK(std::abs(sound.sync->p50_ms) < 1);
  CHECK(sound.sync->p99_ms < 10);  // pictures of a busy machine stray
  // From the first picture to the last one, which lasts a while, and as long as a packet is.
  CHECK(std::abs(sound.first_seconds - seconds(report.order.first_pts)) < 0.02);
  const double length = seconds(report.order.last_pts - report.order.first_pts);
  CHECK(sound.seconds > length - 0.03);
  CHECK(sound.seconds < length + 0.2);
}

void check_whole(const std::string& file) {
  const verify::VerifyReport report = read(file);
  CHECK(report.faults.empty());
  for (const auto& fault : report.faults) UNSCOPED_INFO(fault.text);
  REQUIRE(report.sound.size() == 1);
  const verify::SoundReport& sound = report.sound.front();
  check_sound(report, sound);
  CHECK(sound.missing_beeps == 0);
  CHECK(sound.clicks == 0);
  CHECK(std::abs(sound.peak - 0.5) < 0.1);
  CHECK(sound.channels == 2);
  CHECK(sound.rate == 48'000);
}

}  // namespace

TEST_CASE("sound is where its pictures are, in every container and codec") {
  const TemporaryFolder folder;
  struct Row {
    std::string file;
    AudioCodec codec;
  };
  const Row row =
      GENERATE(Row{"a.mkv", AudioCodec::Opus}, Row{"a.mkv", AudioCodec::Aac}, Row{"a.mkv", AudioCodec::Flac},
               Row{"a.mkv", AudioCodec::Pcm}, Row{"a.mp4", AudioCodec::Aac}, Row{"a.mp4", AudioCodec::Opus},
               Row{"a.mp4", AudioCodec::Flac}, Row{"a.ts", AudioCodec::Aac}, Row{"a.ts", AudioCodec::Opus});
  CAPTURE(row.file, to_string(row.codec));
  const std::string file = folder.file(row.file);
  RecordingOptions o = options(file, row.codec);
  o.duration = 3s;
  const auto recording = start(std::move(o));
  REQUIRE(recording->wait(60s));
  const RecordingReport report = recording->finish();
  CHECK(report.end == EndReason::Duration);
  REQUIRE(report.counters.audio.size() == 1);
  CHECK(report.counters.audio[0].lost == 0);
  CHECK(report.counters.audio[0].late == 0);
  check_whole(file);
}

TEST_CASE("pictures that are decoded in another order than they are shown move no sound") {
  const TemporaryFolder folder;
  const std::string file = folder.file("a.mp4");
  RecordingOptions o = options(file, AudioCodec::Aac);
  o.encoder.preset = Preset::Quality;
  o.encoder.gop_seconds = 1;
  std::get<FileOutput>(o.outputs.front().target).split.time = 2s;
  o.duration = 5s;
  const auto recording = start(std::move(o));
  REQUIRE(recording->wait(60s));
  const RecordingReport report = recording->finish();
  REQUIRE(report.outputs[0].further_files.size() >= 1);
  std::vector<std::string> files{file};
  files.insert(files.end(), report.outputs[0].further_files.begin(), report.outputs[0].further_files.end());
  double sound = 0;
  for (const std::string& one : files) {
    CAPTURE(one);
    const verify::VerifyReport part = read(one);
    REQUIRE(part.sound.size() == 1);
    check_sound(part, part.sound[0]);
    sound += part.sound[0].seconds;
  }
  CHECK(sound > 4.97);  // none is lost between them
  CHECK(sound < 5.2);
}

TEST_CASE("a pause is cut out of sound and pictures alike") {
  const TemporaryFolder folder;
  const std::string file = folder.file("a.mkv");
  RecordingOptions o = options(file);
  const bool asleep = GENERATE(false, true);
  CAPTURE(asleep);
  const auto recording = start(std::move(o));
  for (int i = 1; i <= 3; ++i) {
    REQUIRE(reaches(*recording, i * 1s));
    asleep ? recording->set_asleep(true) : recording->set_paused(true);
    std::this_thread::sleep_for(700ms);
    asleep ? recording->set_asleep(false) : recording->set_paused(false);
  }
  REQUIRE(reaches(*recording, 4s));
  recording->request_stop();
  static_cast<void>(recording->finish());
  const verify::VerifyReport report = read(file);
  REQUIRE(report.sound.size() == 1);
  const verify::SoundReport& sound = report.sound[0];
  CHECK(sound.gaps == 0);
  CHECK(sound.missing_beeps >= 12);  // of the pauses
  REQUIRE(sound.sync);
  CHECK(std::abs(sound.sync->p50_ms) < 2);
  const double length = seconds(report.order.last_pts - report.order.first_pts);
  CHECK(std::abs(sound.seconds - length) < 0.2);
}

TEST_CASE("a replay has its sound") {
  const TemporaryFolder folder;
  const std::string kept = folder.file("kept.mkv");
  RecordingOptions o = options(folder.file("a.mkv"), AudioCodec::Aac);
  o.encoder.gop_seconds = 0.5;
  o.replay = 2s;
  const auto recording = start(std::move(o));
  REQUIRE(reaches(*recording, 5s));
  const auto saved = recording->save_replay(parse_output(kept, std::nullopt, false).value());
  REQUIRE(saved);
  recording->request_stop();
  static_cast<void>(recording->finish());
  const verify::VerifyReport report = read(kept);
  REQUIRE(report.sound.size() == 1);
  const verify::SoundReport& sound = report.sound[0];
  CHECK(sound.gaps == 0);
  REQUIRE(sound.sync);
  CHECK(std::abs(sound.sync->p50_ms) < 1);
  CHECK(sound.first_seconds < 0.03);
  const double length = seconds(report.order.last_pts - report.order.first_pts);
  CHECK(sound.seconds > length - 0.05);
}

TEST_CASE("a peer gets the sound where its pictures are") {
  const TemporaryFolder folder;
  const bool srt = GENERATE(false, true);
  const std::string url = fmt::format("{}://127.0.0.1:{}", srt ? "srt" : "tcp",
                                      test::free_port(srt ? test::Transport::Udp : test::Transport::Tcp));
  CAPTURE(url);
  RecordingOptions o = options(folder.file("a.mkv"), AudioCodec::Aac);
  o.encoder.gop_seconds = 0.5;
  const auto recording = start(std::move(o));
  verify::VerifyOptions peer = reading(url + (srt ? "?mode=listener&latency=2000" : "?listen=1"));
  peer.duration = 4s;
  peer.timeout = 60s;
  auto seen = std::async(std::launch::async, [&] { return verify::verify_stream(peer); });
  REQUIRE(recording->add_output(parse_output(url, std::nullopt, false).value()));
  // On until the peer has had enough, and hangs up.
  REQUIRE(seen.wait_for(60s) == std::future_status::ready);
  recording->request_stop();
  static_cast<void>(recording->finish());
  const auto report = seen.get();
  if (!report) FAIL(report.error().message());
  REQUIRE(report->sound.size() == 1);
  const verify::SoundReport& sound = report->sound[0];
  CHECK(sound.gaps == 0);
  CHECK(sound.clicks == 0);
  CHECK(sound.missing_beeps == 0);
  REQUIRE(sound.sync);
  CHECK(std::abs(sound.sync->p50_ms) < 1);
}

TEST_CASE("an output that comes and goes has its sound from its first picture to its last") {
  const TemporaryFolder folder;
  const std::string part = folder.file("part.mkv");
  RecordingOptions o = options(folder.file("a.mkv"));
  o.encoder.gop_seconds = 0.5;
  const auto recording = start(std::move(o));
  REQUIRE(reaches(*recording, 1s));
  REQUIRE(recording->add_output(parse_output(part, std::nullopt, false).value()));
  REQUIRE(reaches(*recording, 3500ms));
  REQUIRE(recording->remove_output(part));
  REQUIRE(reaches(*recording, 4s));
  recording->request_stop();
  static_cast<void>(recording->finish());
  const verify::VerifyReport report = read(part);
  REQUIRE(report.sound.size() == 1);
  check_sound(report, report.sound[0]);
  CHECK(report.sound[0].missing_beeps == 0);
  check_whole(folder.file("a.mkv"));
}

TEST_CASE("sources are mixed or apart, and change their volume") {
  const TemporaryFolder folder;
  const std::string file = folder.file("a.mkv");
  RecordingOptions o = options(file, AudioCodec::Flac);
  o.audio.inputs[0].gain = 0.5F;
  o.audio.inputs.push_back({.source = TestAudio{}, .gain = 0.5F});
  o.audio.inputs.push_back({.source = NodeAudio{"nobody"}, .track = 4});
  // Without PipeWire nobody is heard: the recording does not begin.
  const auto refused = Recording::start(o, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().part == Part::Source);
  o.audio.inputs[2].source = TestAudio{};
  o.audio.encoder.layout = kMono;
  o.duration = 3s;
  const auto recording = start(std::move(o));
  REQUIRE(reaches(*recording, 1s));
  CHECK(recording->status().audio.size() == 2);
  CHECK(recording->status().audio[0].sources.size() == 2);
  const auto unknown = recording->change_audio("mic", {.muted = true});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().kind == ErrorKind::NotFound);
  CHECK(unknown.error().detail == "the session's sources of sound are test, test, test");
  REQUIRE(recording->wait(60s));
  static_cast<void>(recording->finish());
  const verify::VerifyReport report = read(file);
  REQUIRE(report.sound.size() == 2);
  for (const verify::SoundReport& sound : report.sound) {
    CAPTURE(sound.title);
    check_sound(report, sound);
    CHECK(sound.missing_beeps == 0);
    CHECK(sound.channels == 1);
    CHECK(std::abs(sound.peak - 0.5) < 0.01);
  }
  CHECK(report.sound[0].title == "test, test");
}

namespace {

/// A file of numbered pictures and beeps.
std::string made_file(const TemporaryFolder& folder, Nanoseconds length) {
  const std::string file = folder.file("in.mkv");
  RecordingOptions o = options(file, AudioCodec::Flac);
  o.constant_rate = Rational{30, 1};
  o.duration = length;
  const auto recording = start(std::move(o));
  REQUIRE(recording->wait(60s));
  static_cast<void>(recording->finish());
  return file;
}

RecordingOptions playing(const std::string& source, const std::string& file, bool unpaced) {
  RecordingOptions o = options(file);
  o.source = parse_source("file:" + source).value();
  o.source_options.unpaced = unpaced;
  o.source_options.from_first = true;
  o.audio.inputs[0].source = FileAudio{};
  return o;
}

}  // namespace

TEST_CASE("a media file's sound is where its pictures are") {
  const TemporaryFolder folder;
  const std::string in = made_file(folder, 3s);
  const std::string file = folder.file("a.mkv");
  const bool unpaced = GENERATE(true, false);
  CAPTURE(unpaced);
  const auto recording = start(playing(in, file, unpaced));
  REQUIRE(recording->wait(60s));
  const RecordingReport report = recording->finish();
  CHECK(report.end == EndReason::SourceEnded);
  REQUIRE(report.counters.audio.size() == 1);
  CHECK(report.counters.audio[0].late == 0);
  const verify::VerifyReport made = read(file);
  REQUIRE(made.sound.size() == 1);
  check_sound(made, made.sound[0]);
  if (unpaced) check_whole(file);
}

TEST_CASE("an unpaced file that loops has its sound up to where it is stopped, through pauses and sleeps") {
  const TemporaryFolder folder;
  const std::string in = made_file(folder, 2s);
  const std::string file = folder.file("a.mkv");
  const std::string how = GENERATE(as<std::string>{}, "duration", "stop", "pause", "sleep");
  CAPTURE(how);
  RecordingOptions o = playing(in + ",loop", file, true);
  if (how == "duration") o.duration = 7250ms;
  const auto recording = start(std::move(o));
  REQUIRE(reaches(*recording, 1s));
  if (how == "pause" || how == "sleep") {
    how == "sleep" ? recording->set_asleep(true) : recording->set_paused(true);
    std::this_thread::sleep_for(300ms);
    how == "sleep" ? recording->set_asleep(false) : recording->set_paused(false);
    REQUIRE(reaches(*recording, recording->status().elapsed + 3s));
  }
  if (how == "duration") {
    REQUIRE(recording->wait(60s));
  } else {
    recording->request_stop();
  }
  static_cast<void>(recording->finish());
  const verify::VerifyReport report = read(file);
  REQUIRE(report.sound.size() == 1);
  const verify::SoundReport& sound = report.sound[0];
  check_sound(report, sound);
  // What was on its way when the machine slept is cut out of both.
  if (how == "sleep") return;
  CHECK(sound.missing_beeps == 0);
  CHECK(sound.clicks == 0);
}

TEST_CASE("what gives no sound of a file, or none as fast as its pictures come, is refused") {
  const TemporaryFolder folder;
  const auto refusal = [&](RecordingOptions o) {
    const auto recording = Recording::start(std::move(o), {});
    REQUIRE_FALSE(recording);
    return recording.error().error.message();
  };
  RecordingOptions no_file = options(folder.file("a.mkv"));
  no_file.audio.inputs[0].source = FileAudio{};
  CHECK(refusal(std::move(no_file)) == "take sound from 'file': it is that of a media file as the source, file:PATH");
  RecordingOptions in_time = playing("none.mkv", folder.file("a.mkv"), true);
  in_time.audio.inputs.push_back({.source = TestAudio{}});
  CHECK(refusal(std::move(in_time)).find("sound comes in real time") != std::string::npos);
}

TEST_CASE("what no container of the recording takes is refused before the desktop is asked") {
  const TemporaryFolder folder;
  const std::string file = folder.file("a.ts");
  const auto refused = Recording::start(options(file, AudioCodec::Flac), {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().part == Part::Output);
  CHECK(refused.error().error.message() == "put flac into MPEG-TS: ts takes opus, aac; flac fits into mkv, mp4");
}
