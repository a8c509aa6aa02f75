#include "audio/audio_resampler.h"
#include "unit/audio/devices.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

using namespace zc;
using zc::test::Device;
using zc::test::lateness;
using zc::test::purity;

namespace {

/// What a tenth of a second is looked at for.
constexpr std::size_t kWindow = kAudioRate / 10;

AudioResampler resampler(const Device& device, std::uint64_t layout = kMono, std::int64_t position = 0) {
  auto made = AudioResampler::create(device.format, layout, device.start, position);
  REQUIRE(made);
  return std::move(*made);
}

/// Seconds that the device's sound comes too late, up to half a tenth.
double off_by(std::span<const float> window, std::int64_t position, const Device& device) {
  const double coarse = lateness(window, position, device.slow_hertz);
  return std::abs(coarse) > 0.0003 ? coarse : lateness(window, position, device.hertz);
}

/// The device's sound for `seconds` more.
void play(Device& device, AudioResampler& sound, double seconds) {
  const double until = device.now + seconds;
  while (device.now < until) REQUIRE(sound.push(device.next()));
}

/// Takes all there is.
std::vector<float> take(AudioResampler& sound, std::int64_t& position) {
  const auto count = static_cast<std::size_t>(sound.end() - position);
  const auto samples = sound.front(count);
  std::vector<float> taken(samples.begin(), samples.end());
  sound.drop(count);
  position += static_cast<std::int64_t>(count);
  return taken;
}

std::size_t zeros_in(const std::vector<float>& samples) {
  return static_cast<std::size_t>(std::ranges::count(samples, 0.0F));
}

}  // namespace

TEST_CASE("sound stays where it was heard, whatever the device's clock does") {
  struct Row {
    unsigned rate;
    double ppm;
    double jitter;
  };
  for (const Row& row : {Row{48'000, 0, 0}, Row{48'000, 300, 0}, Row{48'000, -300, 0.001}, Row{44'100, 300, 0.0005},
                         Row{16'000, -200, 0}, Row{192'000, 100, 0}}) {
    CAPTURE(row.rate, row.ppm, row.jitter);
    Device device;
    device.format = {.rate = row.rate, .layout = kMono};
    device.ppm = row.ppm;
    device.jitter = row.jitter;
    device.now = 0.25;
    AudioResampler sound = resampler(device);
    std::int64_t position = 0;
    double worst = 0;
    double worst_late = 0;  // in the second half: what grows shows there
    double least_pure = 1;
    while (device.now < 120) {
      REQUIRE(sound.push(device.next()));
      while (sound.end() - position >= static_cast<std::int64_t>(kWindow)) {
        const auto window = sound.front(kWindow);
        if (position > kAudioRate / 2) {
          const double off = std::abs(off_by(window, position, device));
          worst = std::max(worst, off);
          if (device.now > 60) worst_late = std::max(worst_late, off);
          least_pure = std::min(least_pure,
                                purity(window, position, device.hertz) + purity(window, position, device.slow_hertz));
        }
        sound.drop(kWindow);
        position += std::int64_t{kWindow};
      }
    }
    CHECK(worst < 0.0005);
    CHECK(worst_late < 0.0002);
    CHECK(least_pure > 0.99);
    CHECK(std::abs(sound.stats().slowness_ppm - row.ppm) < 20);
    CHECK(sound.stats().gaps == 0);
    CHECK(sound.stats().late == 0);
    // Before the device began, to within the jitter of its first stamp.
    CHECK(std::abs(static_cast<double>(sound.stats().silence) - 0.25 * kAudioRate) <= row.jitter * kAudioRate + 1);
  }
}

TEST_CASE("where blocks are missing there is silence of their length, and the sound after it is in its place") {
  Device device;
  device.format.layout = kMono;
  device.ppm = 300;
  AudioResampler sound = resampler(device);
  play(device, sound, 20);
  std::int64_t position = 0;
  take(sound, position);
  const auto before = sound.stats().silence;
  for (const double missing : {0.0213, 0.5, 3.0}) {
    CAPTURE(missing);
    device.now += missing;
    play(device, sound, 1);
    const std::vector<float> taken = take(sound, position);
    // A sine is never 0 for long.
    CHECK(std::abs(static_cast<double>(zeros_in(taken)) - missing * kAudioRate) < 48);
    const std::span tail = std::span(taken).last(kWindow);
    CHECK(std::abs(off_by(tail, position - static_cast<std::int64_t>(kWindow), device)) < 0.0001);
  }
  CHECK(sound.stats().gaps == 3);
  CHECK(std::abs(static_cast<double>(sound.stats().silence - before) - 3.5213 * kAudioRate) < 10);
  CHECK(sound.stats().late == 0);
}

TEST_CASE("what has been given out as silence stays that, and the rest of the late blocks is in its place") {
  Device device;
  device.format.layout = kMono;
  AudioResampler sound = resampler(device);
  play(device, sound, 1);
  // It stalls for half a second, which is waited for in vain, then gives what it had all the same.
  const double stalled = device.now;
  sound.pad(std::llround((stalled + 0.5) * kAudioRate));
  std::int64_t position = 0;
  take(sound, position);
  play(device, sound, 1);
  const std::vector<float> taken = take(sound, position);
  CHECK(std::abs(static_cast<double>(sound.stats().late) - 0.5 * kAudioRate) < 10);
  CHECK(std::abs(static_cast<double>(position) / kAudioRate - device.now) < 0.002);
  CHECK(std::abs(off_by(std::span(taken).last(kWindow), position - static_cast<std::int64_t>(kWindow), device)) <
        0.0001);
  CHECK(zeros_in(taken) < 10);
}

TEST_CASE("a clock that jumps back takes nothing back that was given out") {
  Device device;
  device.format.layout = kMono;
  AudioResampler sound = resampler(device);
  play(device, sound, 2);
  device.start -= std::chrono::milliseconds(700);
  const auto before = sound.end();
  play(device, sound, 2);
  CHECK(sound.end() > before);
  CHECK(std::abs(static_cast<double>(sound.end()) / kAudioRate - (device.now - 0.7)) < 0.002);
  CHECK(sound.stats().gaps == 1);
}

TEST_CASE("channels are mixed to those that are wanted") {
  Device device;
  device.format.layout = kSurround51;
  device.amplitude = 0.1;
  AudioResampler down = resampler(device, kStereo);
  play(device, down, 1);
  std::int64_t position = 0;
  const auto count = static_cast<std::size_t>(down.end());
  const auto both = down.front(count);
  float loudest = 0;
  for (std::size_t i = 0; i < both.size(); i += 2) {
    CHECK(both[i] == both[i + 1]);
    loudest = std::max(loudest, std::abs(both[i]));
  }
  CHECK(loudest > 0.1F);
  CHECK(loudest <= 0.5F);

  device.format.layout = kMono;
  device.now = 0;
  AudioResampler up = resampler(device, kStereo);
  play(device, up, 1);
  const std::vector<float> stereo = [&] {
    const auto samples = up.front(static_cast<std::size_t>(up.end()));
    return std::vector<float>(samples.begin(), samples.end());
  }();
  for (std::size_t i = 0; i < stereo.size(); i += 2) CHECK(stereo[i] == stereo[i + 1]);
  static_cast<void>(position);
}

TEST_CASE("a source that comes later begins where its track is") {
  Device device;
  device.format.layout = kMono;
  device.now = 10;
  AudioResampler sound = resampler(device, kMono, 9 * std::int64_t{kAudioRate});
  play(device, sound, 1);
  CHECK(std::abs(static_cast<double>(sound.stats().silence) - kAudioRate) <= 1);
  CHECK(std::abs(static_cast<double>(sound.end()) / kAudioRate - device.now) < 0.002);
}

TEST_CASE("what is no sound, or not of this time, does no harm") {
  Device device;
  device.format.layout = kMono;
  AudioResampler sound = resampler(device);
  play(device, sound, 1);
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> broken(1024, std::numeric_limits<float>::quiet_NaN());
  const std::vector<float> loud(1024, inf);
  REQUIRE(sound.push({.time = device.start + Nanoseconds(std::llround(device.now * 1e9)), .samples = broken}));
  device.now += 1024.0 / 48'000;
  REQUIRE(sound.push({.time = device.start + Nanoseconds(std::llround(device.now * 1e9)), .samples = loud}));
  device.now += 1024.0 / 48'000;
  const auto before = sound.end();
  REQUIRE(sound.push({.time = device.start + std::chrono::hours(100), .samples = loud}));
  CHECK(sound.end() - before < 100);
  CHECK(sound.stats().late == 1024);
  play(device, sound, 1);
  std::int64_t position = 0;
  const auto taken = take(sound, position);
  CHECK(std::ranges::all_of(taken, [](float s) { return std::abs(s) <= 8; }));
  const std::span tail = std::span(taken).last(kWindow);
  CHECK(std::abs(off_by(tail, position - static_cast<std::int64_t>(kWindow), device)) < 0.001);
}

TEST_CASE("empty and tiny blocks do no harm") {
  Device device;
  device.format.layout = kMono;
  AudioResampler sound = resampler(device);
  CHECK(sound.push({.time = device.start, .samples = {}}));
  CHECK(sound.end() == 0);
  device.block = 1;
  for (int i = 0; i < 2000; ++i) REQUIRE(sound.push(device.next()));
  CHECK(std::abs(static_cast<double>(sound.end()) - 2000) < 40);
}
