#include "audio/device_clock.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace zc {
namespace {

/// Hz. The loop's bandwidth falls from the one to the other as it learns.
constexpr double kFast = 0.5;
constexpr double kSlow = 0.02;
/// No device is as wrong as that; times that say so are.
constexpr double kMostSlowness = 0.005;
/// Seconds.
constexpr double kLongGap = 1;
/// Of the loop, for blocks that are long beside its bandwidth.
constexpr double kMostStep = 0.5;

}  // namespace

DeviceClock::DeviceClock(unsigned rate) : nominal_(1.0 / rate), sample_time_(nominal_) {}

void DeviceClock::begin(double time, std::size_t samples) {
  // It may be another device after so long.
  if (time - next_time_ > kLongGap) age_ = 0;
  set(time, samples);
}

void DeviceClock::set(double time, std::size_t samples) {
  block_time_ = time;
  samples_ = samples;
  block_length_ = static_cast<double>(samples) * sample_time_;
  next_time_ = time + block_length_;
}

void DeviceClock::update(double time, std::size_t samples) {
  const double error = time - next_time_;
  const double bandwidth = std::clamp(0.5 / std::max(age_, 0.1), kSlow, kFast);
  const double step = std::min(2 * std::numbers::pi * bandwidth * block_length_, kMostStep);
  age_ += block_length_;
  sample_time_ += step * step * error / static_cast<double>(std::max<std::size_t>(samples_, 1));
  sample_time_ = std::clamp(sample_time_, nominal_ * (1 - kMostSlowness), nominal_ * (1 + kMostSlowness));
  set(next_time_ + std::numbers::sqrt2 * step * error, samples);
}

}  // namespace zc
