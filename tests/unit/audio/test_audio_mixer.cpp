#include "audio/audio_mixer.h"
#include "unit/audio/devices.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

using namespace zc;
using Catch::Matchers::WithinAbs;
using zc::test::Device;
using zc::test::lateness;
using zc::test::purity;

namespace {

constexpr std::size_t kFrame = 960;
constexpr Nanoseconds kStart = std::chrono::hours(5);

Nanoseconds at(double seconds) { return kStart + Nanoseconds(std::llround(seconds * 1e9)); }

Device tone(double hertz, double amplitude = 0.3) {
  Device device;
  device.format.layout = kMono;
  device.hertz = hertz;
  device.slow_hertz = 0;
  device.amplitude = amplitude;
  return device;
}

/// Takes what is there at that time, one channel.
std::vector<float> take(AudioMixer& mixer, double now) {
  std::vector<float> taken;
  while (const auto frame = mixer.next(at(now))) taken.insert(taken.end(), frame->begin(), frame->end());
  return taken;
}

}  // namespace

TEST_CASE("sources are added up, each where it belongs") {
  AudioMixer mixer(kMono, kFrame, kStart);
  Device low = tone(440);
  Device high = tone(3000);
  low.ppm = 200;
  const auto first = mixer.add(low.format);
  const auto second = mixer.add(high.format, 0.5F);
  REQUIRE(first);
  REQUIRE(second);
  std::vector<float> mixed;
  while (low.now < 10) {
    REQUIRE(mixer.push(*first, low.next()));
    REQUIRE(mixer.push(*second, high.next()));
    const auto more = take(mixer, low.now);
    mixed.insert(mixed.end(), more.begin(), more.end());
  }
  const std::span tail = std::span(mixed).last(48'000);
  const auto position = static_cast<std::int64_t>(mixed.size() - 48'000);
  CHECK(std::abs(lateness(tail, position, 440)) < 0.0001);
  CHECK(std::abs(lateness(tail, position, 3000)) < 0.0001);
  // 0.3 and 0.15, so that four fifths of the power are the first one's.
  CHECK_THAT(purity(tail, position, 440), WithinAbs(0.8, 0.01));
  CHECK_THAT(purity(tail, position, 3000), WithinAbs(0.2, 0.01));
  CHECK(mixer.level().peak < 0.46F);
  CHECK_THAT(mixer.level().rms, WithinAbs(std::sqrt((0.09 + 0.0225) / 2), 0.01));
}

TEST_CASE("a source that stalls is waited for, but holds up nobody") {
  AudioMixer mixer(kMono, kFrame, kStart);
  Device good = tone(1000);
  const auto first = mixer.add(good.format);
  const auto stalled = mixer.add(good.format);
  while (good.now < 1) REQUIRE(mixer.push(*first, good.next()));
  CHECK(take(mixer, 0.1).empty());
  const double patience = std::chrono::duration<double>(AudioMixer::kPatience).count();
  // Frames whose time has been over for that long.
  const auto taken = take(mixer, 0.5 + patience);
  CHECK(taken.size() == 24'000);
  CHECK(purity(taken, 0, 1000) > 0.99);
  REQUIRE(mixer.stats(*stalled));
  CHECK(mixer.stats(*stalled)->silence == 24'000);
}

TEST_CASE("a source whose sound always comes late is waited for longer, and heard") {
  AudioMixer mixer(kMono, kFrame, kStart);
  Device headset = tone(440);
  const auto input = mixer.add(headset.format);
  REQUIRE(input);
  std::vector<float> mixed;
  while (headset.now < 10) {
    REQUIRE(mixer.push(*input, headset.next()));
    const auto more = take(mixer, headset.now + 0.45);
    mixed.insert(mixed.end(), more.begin(), more.end());
  }
  const std::span tail = std::span(mixed).last(48'000);
  CHECK(std::abs(lateness(tail, static_cast<std::int64_t>(mixed.size() - 48'000), 440)) < 0.0001);
  const std::uint64_t late = mixer.stats(*input)->late;
  CHECK(late < 48'000);
  while (headset.now < 20) {
    REQUIRE(mixer.push(*input, headset.next()));
    take(mixer, headset.now + 0.45);
  }
  CHECK(mixer.stats(*input)->late == late);
}

TEST_CASE("without a source there is silence, as long as the time that went by") {
  AudioMixer mixer(kStereo, kFrame, kStart);
  const double patience = std::chrono::duration<double>(AudioMixer::kPatience).count();
  const auto taken = take(mixer, 2 + patience);
  CHECK(taken.size() == 2 * 2 * 48'000);
  CHECK(std::ranges::all_of(taken, [](float s) { return s == 0; }));
  CHECK(mixer.position() == 2 * 48'000);
  CHECK(mixer.level().peak == 0);
}

TEST_CASE("a source that goes is heard to its end") {
  AudioMixer mixer(kMono, kFrame, kStart);
  Device device = tone(1000);
  const auto input = mixer.add(device.format);
  while (device.now < 0.5) REQUIRE(mixer.push(*input, device.next()));
  const double end = device.now;
  mixer.remove(*input);
  REQUIRE(mixer.push(*input, device.next()));  // too late
  const auto taken = take(mixer, 2);
  CHECK_FALSE(mixer.stats(*input));
  const auto last = std::ranges::find_if(taken.rbegin(), taken.rend(), [](float s) { return std::abs(s) > 0.01F; });
  CHECK_THAT(static_cast<double>(taken.rend() - last) / 48'000, WithinAbs(end, 0.002));
}

TEST_CASE("volume is faded to, without a click") {
  AudioMixer mixer(kMono, kFrame, kStart);
  Device device = tone(100, 0.8);
  const auto input = mixer.add(device.format);
  std::vector<float> taken;
  const auto play = [&](double until) {
    while (device.now < until) {
      REQUIRE(mixer.push(*input, device.next()));
      const auto more = take(mixer, device.now);
      taken.insert(taken.end(), more.begin(), more.end());
    }
  };
  play(1);
  mixer.set_gain(*input, 0);
  play(2);
  CHECK(std::ranges::all_of(std::span(taken).last(kFrame), [](float s) { return s == 0; }));
  mixer.set_gain(*input, 0.5F);
  play(3);
  CHECK_THAT(mixer.level().peak, WithinAbs(0.4, 0.01));
  float steepest = 0;
  for (std::size_t i = 1; i < taken.size(); ++i) steepest = std::max(steepest, std::abs(taken[i] - taken[i - 1]));
  CHECK(steepest < 0.02F);  // the sine's own is 0.0105
}

TEST_CASE("a slow wave that is too loud keeps its form, and one broken sample costs no more than a moment") {
  AudioMixer mixer(kMono, kFrame, kStart);
  Device slow = tone(40, 2.5);
  const auto input = mixer.add(slow.format);
  std::vector<float> taken;
  const auto play = [&](double until) {
    while (slow.now < until) {
      REQUIRE(mixer.push(*input, slow.next()));
      const auto more = take(mixer, slow.now);
      taken.insert(taken.end(), more.begin(), more.end());
    }
  };
  play(3);
  const auto loud = std::span(taken).last(48'000);
  CHECK(purity(loud, static_cast<std::int64_t>(taken.size() - 48'000), 40) > 0.999);
  CHECK(std::ranges::max(loud) > 0.95F);
  CHECK(std::ranges::max(loud) <= 1.0F);

  const std::vector<float> broken(256, std::numeric_limits<float>::infinity());
  REQUIRE(mixer.push(*input, {.time = at(slow.now), .samples = broken}));
  slow.now += 256.0 / 48'000;
  slow.amplitude = 0.5;
  play(6);
  const auto after = std::span(taken).last(4'800);
  CHECK_THAT(std::ranges::max(after), WithinAbs(0.5, 0.01));
}

TEST_CASE("what is too loud is turned down, not clipped, and what is not goes through as it is") {
  AudioMixer mixer(kMono, kFrame, kStart);
  std::vector<Device> devices;
  std::vector<AudioMixer::Input> inputs;
  for (int i = 0; i < 3; ++i) {
    devices.push_back(tone(1000, 0.9));
    inputs.push_back(*mixer.add(devices.back().format));
  }
  std::vector<float> taken;
  while (devices.front().now < 2) {
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (i > 0 && devices.front().now > 1) {
        devices[i].amplitude = 0;
      }
      REQUIRE(mixer.push(inputs[i], devices[i].next()));
    }
    const auto more = take(mixer, devices.front().now);
    taken.insert(taken.end(), more.begin(), more.end());
  }
  const std::span loud = std::span(taken).subspan(24'000, 4'800);
  CHECK(std::ranges::max(loud) <= 1.0F);
  CHECK(std::ranges::max(loud) > 0.95F);
  CHECK(purity(loud, 24'000, 1000) > 0.999);  // a clipped one has 0.97
  const std::span alone = std::span(taken).last(4'800);
  CHECK_THAT(std::ranges::max(alone), WithinAbs(0.9, 0.01));
}
