// Sound through a real PipeWire and WirePlumber: sinks that play to nobody, and applications that play tones.
#include "audio/audio_mixer.h"
#include "capture/audio_source.h"
#include "rig.h"
#include "support/child_process.h"
#include "support/tone.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// Everything into one mono track, as a recording does it.
class Track final : public AudioReader {
 public:
  explicit Track(const std::string& source) : start_(monotonic_now()), mixer_(kMono, 960, start_) {
    auto spec = parse_audio_source(source);
    REQUIRE(spec);
    auto opened = open_audio_source(*std::move(spec), kMono);
    if (!opened) FAIL(opened.error().message());
    source_ = std::move(*opened);
  }

  void on_stream(std::uint32_t stream) override {
    ++begun;
    inputs_[stream] = *mixer_.add({.rate = kAudioRate, .layout = kMono});
  }
  void on_block(std::uint32_t stream, const AudioBlock& block) override {
    static_cast<void>(mixer_.push(inputs_.at(stream), block));
  }
  void on_end(std::uint32_t stream) override {
    ++ended;
    mixer_.remove(inputs_.at(stream));
  }

  void record(std::chrono::milliseconds time) {
    const Nanoseconds until = monotonic_now() + time;
    while (monotonic_now() < until) read();
  }
  /// Until that tone is there for a fifth of a second, or half a minute is over.
  bool hears(double hertz) {
    const Nanoseconds until = monotonic_now() + 30s;
    while (monotonic_now() < until) {
      read();
      if (strength(hertz) > 0.05) return true;
    }
    return false;
  }
  bool loses(double hertz) {
    const Nanoseconds until = monotonic_now() + 30s;
    while (monotonic_now() < until) {
      read();
      if (samples.size() > 9600 && strength(hertz) < 0.01) return true;
    }
    return false;
  }
  /// Amplitude in the newest fifth of a second.
  [[nodiscard]] double strength(double hertz) const {
    constexpr std::size_t kWindow = 9600;
    return samples.size() < kWindow ? 0 : amplitude(std::span(samples).last(kWindow), hertz);
  }
  bool sees_end() {
    const Nanoseconds until = monotonic_now() + 30s;
    while (ended == 0 && monotonic_now() < until) read();
    return ended == 1;
  }
  /// Seconds by which the newest fifth of a second of a Tone is later than its own time, within half a wave.
  [[nodiscard]] double lateness_of(double hertz) const {
    constexpr std::size_t kWindow = 9600;
    double sine = 0;
    double cosine = 0;
    for (std::size_t i = samples.size() - kWindow; i < samples.size(); ++i) {
      const double time = std::chrono::duration<double>(start_).count() + static_cast<double>(i) / kAudioRate;
      const double at = 2 * std::numbers::pi * std::fmod(hertz * time, 1.0);
      sine += static_cast<double>(samples[i]) * std::sin(at);
      cosine += static_cast<double>(samples[i]) * std::cos(at);
    }
    return -std::atan2(cosine, sine) / (2 * std::numbers::pi * hertz);
  }

  std::vector<float> samples;
  int begun = 0;
  int ended = 0;

 private:
  void read() {
    const Nanoseconds now = monotonic_now();
    source_->read(*this);
    while (const auto frame = mixer_.next(now)) samples.insert(samples.end(), frame->begin(), frame->end());
    std::this_thread::sleep_for(10ms);
  }

  Nanoseconds start_;
  AudioMixer mixer_;
  std::unique_ptr<AudioSource> source_;
  std::map<std::uint32_t, AudioMixer::Input> inputs_;
};

}  // namespace

TEST_CASE("what the default sink plays is heard, and nothing else") {
  const auto daemon = pipewire();
  const NullSink speakers("speakers");
  const Tone music({.application = "Music", .hertz = 1000});
  Track desktop("desktop");
  Track microphone("mic");
  CHECK(desktop.hears(1000));
  microphone.record(1s);
  CHECK(microphone.begun == 0);  // there is none, and what a sink plays is none
  const Tone voice({.application = "headset", .hertz = 3000, .microphone = true});
  CHECK(microphone.hears(3000));
  CHECK(microphone.strength(1000) < 0.01);
  desktop.record(300ms);
  CHECK(desktop.strength(3000) < 0.01);
}

TEST_CASE("sound is where it was heard on this machine's clock") {
  const auto daemon = pipewire();
  const NullSink speakers("speakers");  // without a device: what is mixed is heard at once
  const Tone slow({.application = "Music", .hertz = 10});
  Track desktop("desktop");
  REQUIRE(desktop.hears(10));
  double best = 1;
  for (int i = 0; i < 60 && best > 0.001; ++i) {
    desktop.record(250ms);
    best = std::min(best, std::abs(desktop.lateness_of(10)));
  }
  CHECK(best < 0.001);
}

TEST_CASE("the default is followed when it changes") {
  const auto daemon = pipewire();
  const NullSink first("first", 2000);
  const Tone music({.application = "Music", .hertz = 1000, .sink = "first"});
  Track desktop("desktop");
  CHECK(desktop.hears(1000));
  for (int i = 0; i < rounds(2); ++i) {
    CAPTURE(i);
    {
      const NullSink second("second", 3000);  // a better one, as a headset that is plugged in
      const Tone other({.application = "Other", .hertz = 3000, .sink = "second"});
      REQUIRE(desktop.hears(3000));
      REQUIRE(desktop.loses(1000));
    }
    REQUIRE(desktop.hears(1000));
    REQUIRE(desktop.loses(3000));
  }
}

TEST_CASE("one application is heard, as it comes and goes, and all but one") {
  const auto daemon = pipewire();
  const NullSink speakers("speakers");
  const Tone music({.application = "Music", .hertz = 1000});
  Track talk("app:talk");
  Track without("desktop-app:Talk");
  CHECK(without.hears(1000));
  {
    const Tone voice({.application = "Talk", .hertz = 3000});
    CHECK(talk.hears(3000));
    CHECK(talk.strength(1000) < 0.01);
    without.record(500ms);
    CHECK(without.strength(3000) < 0.01);
    CHECK(without.hears(1000));
  }
  CHECK(talk.loses(3000));
  CHECK(talk.sees_end());
  const Tone again({.application = "Talk", .hertz = 2000});
  CHECK(talk.hears(2000));
  CHECK(talk.begun == 2);
}

TEST_CASE("a node is waited for, and PipeWire itself") {
  const auto daemon = pipewire();
  Track later("later");
  later.record(300ms);
  CHECK(later.begun == 0);
  CHECK(std::ranges::all_of(later.samples, [](float s) { return s == 0; }));
  {
    const NullSink sink("later");
    const Tone music({.application = "Music", .hertz = 1000, .sink = "later"});
    CHECK(later.hears(1000));
  }
  CHECK(later.loses(1000));
  daemon->kill_daemon();
  later.record(500ms);
  REQUIRE(daemon->restart());
  const NullSink sink("later");
  const Tone music({.application = "Music", .hertz = 2000, .sink = "later"});
  CHECK(later.hears(2000));
}

TEST_CASE("sources of sound are named") {
  for (const char* text : {"desktop", "mic", "app:Firefox", "desktop-app:Discord", "test", "alsa_input.usb"}) {
    const auto spec = parse_audio_source(text);
    REQUIRE(spec);
    CHECK(to_string(*spec) == text);
  }
  for (const char* text : {"", "app:", "desktop-app:"}) {
    const auto spec = parse_audio_source(text);
    REQUIRE_FALSE(spec);
    CHECK(spec.error().kind == ErrorKind::Invalid);
    CHECK(spec.error().message().find("valid are desktop, mic") != std::string::npos);
  }
}
