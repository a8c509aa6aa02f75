// A microphone of its own clock, for tests.
#pragma once

#include "audio/audio_resampler.h"
#include "media/audio.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <random>
#include <span>
#include <vector>

namespace zc::test {

/// Gives blocks of a sine that is `hertz` in real time, whatever its clock does, and of a slow one that tells which of
/// its waves it is: every channel the same.
class Device {
 public:
  AudioFormat format;
  double ppm = 0;  ///< how much slower its clock is than it says
  double hertz = 1000;
  double slow_hertz = 10;
  double amplitude = 0.5;
  double jitter = 0;  ///< seconds, of the stamps, evenly spread to both sides
  std::size_t block = 1024;
  double now = 0;  ///< seconds since the recording's start, of the next sample

  /// The next block; it holds until the next call.
  AudioBlock next() {
    const double sample = (1 + ppm * 1e-6) / format.rate;
    std::uniform_real_distribution<double> spread(-jitter, jitter);
    const double stamp = now + (jitter > 0 ? spread(random_) : 0);
    samples_.clear();
    for (std::size_t i = 0; i < block; ++i) {
      const double wave = std::sin(2 * std::numbers::pi * hertz * now);
      const double value =
          amplitude * (slow_hertz == 0 ? wave : (wave + std::sin(2 * std::numbers::pi * slow_hertz * now)) / 2);
      for (std::size_t c = 0; c < format.channels(); ++c) samples_.push_back(static_cast<float>(value));
      now += sample;
    }
    return {.time = start + Nanoseconds(std::llround(stamp * 1e9)), .samples = samples_};
  }
  Nanoseconds start = std::chrono::hours(5);

 private:
  std::vector<float> samples_;
  std::minstd_rand random_{42};
};

/// Where a sine of that frequency stands in `samples` (one channel of kAudioRate, the first at `position`), compared
/// with one that began at position 0: seconds that it comes too late, within half a wave.
inline double lateness(std::span<const float> samples, std::int64_t position, double hertz) {
  double sine = 0;
  double cosine = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double at =
        2 * std::numbers::pi * hertz * static_cast<double>(position + static_cast<std::int64_t>(i)) / kAudioRate;
    sine += static_cast<double>(samples[i]) * std::sin(at);
    cosine += static_cast<double>(samples[i]) * std::cos(at);
  }
  return -std::atan2(cosine, sine) / (2 * std::numbers::pi * hertz);
}

/// How much of the sound's power is that sine.
inline double purity(std::span<const float> samples, std::int64_t position, double hertz) {
  double sine = 0;
  double cosine = 0;
  double power = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double at =
        2 * std::numbers::pi * hertz * static_cast<double>(position + static_cast<std::int64_t>(i)) / kAudioRate;
    sine += static_cast<double>(samples[i]) * std::sin(at);
    cosine += static_cast<double>(samples[i]) * std::cos(at);
    power += static_cast<double>(samples[i]) * samples[i];
  }
  const auto count = static_cast<double>(samples.size());
  return (sine * sine + cosine * cosine) * 2 / count / power;
}

}  // namespace zc::test
