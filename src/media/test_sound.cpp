#include "media/test_sound.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace zc {
namespace {

constexpr double kAmplitude = 0.5;
constexpr double kLowest = 800;  // Hz
constexpr double kStep = 150;
/// Power from which on there may be a beep: 30 dB below a beep's own.
constexpr double kAudible = kAmplitude * kAmplitude / 2 / 1000;
/// Seconds: how fast that is known, how long silence must last, what a beep may last.
constexpr double kSmoothing = 0.002;
constexpr double kSilence = 0.008;
constexpr double kFades = 0.02;  // of the power, when nothing is heard any more
constexpr double kShortest = 0.015;
constexpr double kLongest = 0.070;
/// Of its power, that its frequency must have.
constexpr double kPure = 0.5;
/// The second difference of a beep is at most 0.09 at 48 kHz.
constexpr float kClick = 0.25F;

double frequency(unsigned number) { return kLowest + kStep * number; }
double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

float test_sound(Nanoseconds time) {
  const auto number = static_cast<unsigned>(time / kBeepEvery % kBeepNumbers);
  const Nanoseconds within = time % kBeepEvery;
  if (within >= kBeepLength) return 0;
  const double at = seconds(within);
  const double window = std::sin(std::numbers::pi * at / seconds(kBeepLength));
  return static_cast<float>(kAmplitude * window * window * std::sin(2 * std::numbers::pi * frequency(number) * at));
}

void BeepReader::push(double time, std::span<const float> samples) {
  if (next_ < 0 || std::abs(time - next_) > 0.5 / rate_) {
    if (on_) end_beep();
    beep_.clear();
    power_ = 0;
    before_ = last_ = 0;
  }
  const double weight = 1 / (kSmoothing * rate_);
  const auto kept = static_cast<std::size_t>(2 * kSmoothing * rate_);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const float sample = samples[i];
    if (std::abs(sample - 2 * last_ + before_) > kClick && since_click_ > kept) {
      if (click_) ++clicks_;
      click_ = true;
      since_click_ = 0;
    }
    ++since_click_;
    // Where nothing follows, that was the end of it.
    if (click_ && quiet_ == 0 && static_cast<double>(since_click_) > kFades * rate_) {
      ++clicks_;
      click_ = false;
    }
    before_ = std::exchange(last_, sample);
    power_ += weight * (static_cast<double>(sample) * sample - power_);
    if (beep_.empty()) start_ = time + static_cast<double>(i) / rate_;
    beep_.push_back(sample);
    quiet_ = power_ > kAudible ? 0 : quiet_ + 1;
    if (quiet_ == 0 && !std::exchange(heard_, true)) {
      since_click_ = 0;  // it begins here, in the middle of a beep perhaps
      click_ = false;
    }
    if (!on_ && quiet_ == 0) on_ = true;
    if (on_ && static_cast<double>(quiet_) > kSilence * rate_) {
      end_beep();
    } else if (!on_ && beep_.size() > 2 * kept) {
      beep_.erase(beep_.begin(), beep_.begin() + static_cast<std::ptrdiff_t>(kept));
      start_ += static_cast<double>(kept) / rate_;
    } else if (static_cast<double>(beep_.size()) > 2 * kLongest * rate_) {
      beep_.clear();  // some other sound
    }
  }
  next_ = time + static_cast<double>(samples.size()) / rate_;
}

void BeepReader::end_beep() {
  on_ = false;
  const std::vector<float> beep = std::exchange(beep_, {});
  const double length = static_cast<double>(beep.size()) / rate_ - kSilence;
  if (length < kShortest || length > kLongest) return;
  double power = 0;
  double moment = 0;
  for (std::size_t i = 0; i < beep.size(); ++i) {
    const double square = static_cast<double>(beep[i]) * beep[i];
    power += square;
    moment += square * static_cast<double>(i);
  }
  // Its envelope is symmetric: the middle is where its power is.
  const double middle = start_ + moment / power / rate_;
  unsigned best = 0;
  double strongest = 0;
  for (unsigned number = 0; number < kBeepNumbers; ++number) {
    const double step = 2 * std::numbers::pi * frequency(number) / rate_;
    double sine = 0;
    double cosine = 0;
    for (std::size_t i = 0; i < beep.size(); ++i) {
      sine += static_cast<double>(beep[i]) * std::sin(step * static_cast<double>(i));
      cosine += static_cast<double>(beep[i]) * std::cos(step * static_cast<double>(i));
    }
    const double strength = sine * sine + cosine * cosine;
    if (strength > strongest) {
      strongest = strength;
      best = number;
    }
  }
  // Of a whole beep with a window of sin^2: (sum of w)^2 / (2 sum of w^2) is a third of its length in samples.
  const double whole = power * seconds(kBeepLength) * rate_ / 3;
  if (strongest < kPure * whole) return;
  found_.push_back({.start = middle - seconds(kBeepLength) / 2, .number = best});
}

std::vector<Beep> BeepReader::take() { return std::exchange(found_, {}); }

}  // namespace zc
