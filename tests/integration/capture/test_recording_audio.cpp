// Recordings with the sound of a real PipeWire and WirePlumber, read back from their files.
#include "rig.h"
#include "session/recording.h"
#include "support/tone.h"
#include "tools/decode_sound.h"
#include "verify/verify.h"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

RecordingOptions options(const std::string& file, std::vector<AudioInputOptions> inputs) {
  RecordingOptions o;
  o.source = parse_source("test:160x90@30").value();
  o.outputs.push_back(parse_output(file, std::nullopt, false).value());
  o.encoder.options = {{"preset", "ultrafast"}};
  o.audio.inputs = std::move(inputs);
  o.audio.encoder.codec = AudioCodec::Flac;
  return o;
}

std::unique_ptr<Recording> start(RecordingOptions o) {
  auto recording = Recording::start(std::move(o), {});
  if (!recording) FAIL(recording.error().error.message());
  return std::move(*recording);
}

AudioSourceSpec source_named(const char* text) { return parse_audio_source(text).value(); }

/// Waits, 60 s at most.
template <class Good>
bool eventually(const Recording& recording, const Good& good) {
  for (int i = 0; i < 6000; ++i) {
    if (good(recording.status())) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

bool all_heard(const RecordingStatus& status) {
  return std::ranges::all_of(status.audio, [](const AudioTrackStatus& track) {
    return std::ranges::all_of(track.sources, &AudioSourceStatus::heard) && track.level.peak > 0.1F;
  });
}

std::vector<DecodedSound> finish(Recording& recording, const std::string& file) {
  const Nanoseconds now = recording.status().elapsed;
  REQUIRE(eventually(recording, [&](const RecordingStatus& status) { return status.elapsed > now + 1500ms; }));
  recording.request_stop();
  static_cast<void>(recording.finish());
  auto sound = decode_sound(file);
  if (!sound) FAIL(sound.error().message());
  return std::move(*sound);
}

/// Of the last half a second but one fifth: the median of its tenths of a second, since a busy machine's graph may lack
/// a cycle.
double strength(const DecodedSound& sound, double hertz) {
  REQUIRE(sound.samples.size() > 48'000);
  const std::span<const float> late = std::span(sound.samples).last(33'600).first(24'000);
  std::array<double, 5> tenths{};
  for (std::size_t i = 0; i < tenths.size(); ++i) tenths.at(i) = amplitude(late.subspan(i * 4800, 4800), hertz);
  std::ranges::sort(tenths);
  return tenths[2];
}

/// Seconds of each stretch of at least 10 ms in which a Device was not heard.
std::vector<double> absences(const DecodedSound& sound) {
  std::vector<double> found;
  std::size_t silent = 0;
  for (std::size_t i = 0; i <= sound.samples.size(); ++i) {
    const bool absent = i < sound.samples.size() && std::abs(sound.samples[i]) < Device::kPresence / 2;
    if (!absent && silent >= kAudioRate / 100) found.push_back(static_cast<double>(silent) / kAudioRate);
    silent = absent ? silent + 1 : 0;
  }
  return found;
}

}  // namespace

TEST_CASE("each source is in its own track, and those of one track are mixed") {
  const auto daemon = pipewire();
  const NullSink speakers("speakers");
  const Tone music({.application = "Music", .hertz = 1000});
  const Tone talk({.application = "Talk", .hertz = 2000});
  const Tone voice({.application = "headset", .hertz = 3000, .microphone = true});
  const std::string file = daemon->folder() / "tracks.mkv";
  const auto recording = start(options(file, {{.source = source_named("desktop")},
                                              {.source = source_named("mic"), .track = 2},
                                              {.source = source_named("app:talk"), .gain = 0.5F, .track = 2},
                                              {.source = source_named("desktop-app:Talk"), .track = 3}}));
  REQUIRE(eventually(*recording, all_heard));
  const std::vector<DecodedSound> sound = finish(*recording, file);
  REQUIRE(sound.size() == 3);
  CHECK(sound[0].title == "desktop");
  CHECK(sound[1].title == "mic, app:talk");
  CHECK(sound[2].title == "desktop-app:Talk");
  struct Row {
    double music, talk, voice;
  };
  constexpr std::array<Row, 3> kWanted{{{0.25, 0.25, 0}, {0, 0.125, 0.25}, {0.25, 0, 0}}};
  for (std::size_t i = 0; i < sound.size(); ++i) {
    CAPTURE(sound[i].title);
    CHECK(std::abs(strength(sound[i], 1000) - kWanted.at(i).music) < 0.01);
    CHECK(std::abs(strength(sound[i], 2000) - kWanted.at(i).talk) < 0.01);
    CHECK(std::abs(strength(sound[i], 3000) - kWanted.at(i).voice) < 0.01);
  }
}

TEST_CASE("sound that comes too loud is turned down, not clipped") {
  const auto daemon = pipewire();
  const NullSink speakers("speakers");
  const Tone one({.application = "One", .hertz = 1000, .amplitude = 0.8});
  const Tone other({.application = "Other", .hertz = 1500, .amplitude = 0.8});
  const std::string file = daemon->folder() / "loud.mkv";
  const auto recording =
      start(options(file, {{.source = source_named("app:One")}, {.source = source_named("app:Other")}}));
  REQUIRE(eventually(*recording, all_heard));
  const std::vector<DecodedSound> sound = finish(*recording, file);
  REQUIRE(sound.size() == 1);
  CHECK(strength(sound[0], 1000) > 0.4);
  CHECK(strength(sound[0], 1500) > 0.4);
  // What clipping makes of the two.
  for (const double hertz : {500.0, 2000.0, 2500.0, 3500.0}) CHECK(strength(sound[0], hertz) < 0.01);
}

TEST_CASE("PipeWire that is killed leaves silence of its length, and the sound goes on") {
  const auto daemon = pipewire();
  const std::string file = daemon->folder() / "killed.mkv";
  auto speakers = std::make_unique<NullSink>("speakers");
  auto music = std::make_unique<Tone>(ToneOptions{.application = "Music", .hertz = 1000});
  const auto recording = start(options(file, {{.source = source_named("desktop")}}));
  REQUIRE(eventually(*recording, all_heard));
  daemon->kill_daemon();
  music.reset();
  speakers.reset();
  REQUIRE(eventually(*recording, [](const RecordingStatus& s) { return s.audio[0].level.peak < 0.01F; }));
  CHECK_FALSE(recording->status().audio[0].sources[0].heard);
  REQUIRE(daemon->restart());
  const NullSink again("speakers");
  const Tone after({.application = "Music", .hertz = 2000});
  REQUIRE(eventually(*recording, all_heard));
  const std::vector<DecodedSound> sound = finish(*recording, file);
  REQUIRE(sound.size() == 1);
  CHECK(strength(sound[0], 2000) > 0.2);
  CHECK(strength(sound[0], 1000) < 0.01);
  // As long as the pictures, whatever was not there.
  const double length = std::chrono::duration<double>(recording->status().elapsed).count();
  CHECK(std::abs(sound[0].start + static_cast<double>(sound[0].samples.size()) / kAudioRate - length) < 0.1);
}

TEST_CASE("what an application plays is where its pictures are, whatever it is heard with") {
  const auto daemon = pipewire();
  std::optional<NullSink> speakers;
  std::optional<FarSink> headset;
  unsigned graph_rate = 0;
  SECTION("a sink that drives the graph") { speakers.emplace("speakers"); }
  SECTION("a headset that says how late it is") { headset.emplace("headset", Nanoseconds(150ms).count()); }
  SECTION("a graph of another rate") {
    speakers.emplace("speakers");
    graph_rate = 44'100;
  }
  const Tone beeps({.application = "Beeps", .hertz = 0, .graph_rate = graph_rate});
  const std::string file = daemon->folder() / "beeps.mkv";
  RecordingOptions o =
      options(file, {{.source = source_named("desktop")}, {.source = source_named("app:Beeps"), .track = 2}});
  o.source = parse_source("test:320x180@30").value();
  const auto recording = start(std::move(o));
  REQUIRE(eventually(*recording, all_heard));
  REQUIRE(finish(*recording, file).size() == 2);
  verify::VerifyOptions read;
  read.input = file;
  read.decoder = DecoderBackend::Software;
  const auto report = verify::verify_stream(read);
  REQUIRE(report);
  REQUIRE(report->sound.size() == 2);
  for (const verify::SoundReport& sound : report->sound) {
    CAPTURE(sound.title);
    REQUIRE(sound.sync);
    CAPTURE(sound.sync->p50_ms);
    CHECK(std::abs(sound.sync->p50_ms) < 3);
  }
}

TEST_CASE("a device whose clock is another one does not drift, and what it misses is silence") {
  const auto daemon = pipewire();
  Device card("card", 0.0003);
  const std::string file = daemon->folder() / "card.mkv";
  RecordingOptions o = options(file, {{.source = source_named("mic")}});
  o.source = parse_source("test:320x180@30").value();
  const auto recording = start(std::move(o));
  REQUIRE(eventually(*recording, [](const RecordingStatus& s) { return s.elapsed > 8s; }));
  std::vector<double> outages;  // seconds, each of its own length
  for (int i = 0; i < rounds(1); ++i) {
    const Nanoseconds before = recording->status().elapsed;
    const Nanoseconds length = 500ms + i % 50 * 1300us;
    card.lose(length.count());
    outages.push_back(std::chrono::duration<double>(length).count());
    REQUIRE(eventually(*recording, [&](const RecordingStatus& s) { return s.elapsed > before + 2s; }));
  }
  const std::vector<DecodedSound> tracks = finish(*recording, file);
  REQUIRE(tracks.size() == 1);
  const RecordingStatus status = recording->status();
  CHECK(std::abs(status.audio[0].slowness_ppm - 300) < 100);
  std::vector<double> silences = absences(tracks[0]);
  // A busy machine's graph lacks a cycle now and then, one beside an outage perhaps.
  const auto outage = std::ranges::stable_partition(silences, [](double length) { return length > 0.25; });
  const std::span found(silences.begin(), outage.begin());
  REQUIRE(found.size() == outages.size());
  double unexplained = 0;
  for (const double length : outage) unexplained += length;
  double shortest = 0;  // than the outage
  double longest = 0;
  for (std::size_t i = 0; i < outages.size(); ++i) {
    CAPTURE(i, outages[i], found[i]);
    CHECK(found[i] > outages[i] - 0.02);
    CHECK(found[i] < outages[i] + 0.05);
    shortest = std::min(shortest, found[i] - outages[i]);
    longest = std::max(longest, found[i] - outages[i]);
  }
  std::printf("%zu outages, their silence %.1f to %+.1f ms longer; %.1f ms of silence in %td places beside them\n",
              outages.size(), shortest * 1000, longest * 1000, unexplained * 1000,
              std::distance(outage.begin(), outage.end()));
  CHECK(unexplained < 0.1 * static_cast<double>(tracks[0].samples.size()) / kAudioRate);
  verify::VerifyOptions read;
  read.input = file;
  read.decoder = DecoderBackend::Software;
  const auto report = verify::verify_stream(read);
  REQUIRE(report);
  REQUIRE(report->sound.size() == 1);
  const verify::SoundReport& sound = report->sound[0];
  CHECK(sound.gaps == 0);
  // 125 ms apart and 40 ms long; those behind an outage are where they belong, so that it is as long as it was.
  CHECK(sound.missing_beeps >= 3 * outages.size());
  REQUIRE(sound.sync);
  CHECK(std::abs(sound.sync->p50_ms) < 2);
  CHECK(sound.sync->p99_ms < 5);
}

TEST_CASE("an application that stops and starts is heard each time, and silence is between") {
  const auto daemon = pipewire();
  const NullSink speakers("speakers");
  const std::string file = daemon->folder() / "often.mkv";
  const auto recording = start(options(file, {{.source = source_named("app:Music")}}));
  const int times = rounds(3);
  const auto wait = [&](Nanoseconds time) {
    const Nanoseconds now = recording->status().elapsed;
    REQUIRE(eventually(*recording, [&](const RecordingStatus& s) { return s.elapsed > now + time; }));
  };
  for (int i = 0; i < times; ++i) {
    {
      const Tone music({.application = "Music", .hertz = 1000});
      REQUIRE(eventually(*recording, all_heard));
      wait(300ms);
    }
    REQUIRE(eventually(*recording, [](const RecordingStatus& s) { return !s.audio[0].sources[0].heard; }));
    wait(300ms);
  }
  const std::vector<DecodedSound> sound = finish(*recording, file);
  REQUIRE(sound.size() == 1);
  const double length = std::chrono::duration<double>(recording->status().elapsed).count();
  CHECK(std::abs(sound[0].start + static_cast<double>(sound[0].samples.size()) / kAudioRate - length) < 0.1);
  CHECK(recording->status().audio[0].lost == 0);
  int begun = 0;
  constexpr std::size_t kWindow = 480;
  constexpr int kSilence = 10;  // windows; a busy machine's graph may lack a cycle
  int quiet = kSilence;
  for (std::size_t i = 0; i + kWindow < sound[0].samples.size(); i += kWindow) {
    const bool on = amplitude(std::span(sound[0].samples).subspan(i, kWindow), 1000) > 0.1;
    begun += on && quiet >= kSilence ? 1 : 0;
    quiet = on ? 0 : quiet + 1;
  }
  CHECK(begun == times);
}

TEST_CASE("eight recordings have the same sound at the same time") {
  const auto daemon = pipewire();
  const NullSink speakers("speakers");
  const Tone music({.application = "Music", .hertz = 1000});
  std::vector<std::unique_ptr<Recording>> recordings;
  std::vector<std::string> files;
  for (int i = 0; i < 8; ++i) {
    files.push_back(daemon->folder() / (std::to_string(i) + ".mkv"));
    recordings.push_back(start(options(files.back(), {{.source = source_named("desktop")}})));
  }
  for (const auto& recording : recordings) REQUIRE(eventually(*recording, all_heard));
  for (std::size_t i = 0; i < files.size(); ++i) {
    CAPTURE(i);
    const std::vector<DecodedSound> sound = finish(*recordings[i], files[i]);
    REQUIRE(sound.size() == 1);
    CHECK(std::abs(strength(sound[0], 1000) - 0.25) < 0.01);
    CHECK(recordings[i]->status().audio[0].lost == 0);
  }
}

TEST_CASE("5.1 goes through PipeWire") {
  const auto daemon = pipewire();
  const NullSink speakers("speakers");
  const Tone music({.application = "Music", .hertz = 1000});
  const std::string file = daemon->folder() / "surround.mkv";
  RecordingOptions o = options(file, {{.source = source_named("desktop")}});
  o.audio.encoder.layout = kSurround51;
  const auto recording = start(std::move(o));
  REQUIRE(eventually(*recording, all_heard));
  const std::vector<DecodedSound> sound = finish(*recording, file);
  REQUIRE(sound.size() == 1);
  CHECK(sound[0].channels == 6);
  CHECK(strength(sound[0], 1000) > 0.1);
}
