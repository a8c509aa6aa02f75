// A machine-readable sound, as test_mark.h has pictures: which time of CLOCK_MONOTONIC a sample is of can be told from
// the sound alone, after coding, mixing and resampling.
#pragma once

#include "base/clock.h"

#include <cstddef>
#include <span>
#include <vector>

namespace zc {

/// A beep begins whenever CLOCK_MONOTONIC is a multiple of this.
inline constexpr Nanoseconds kBeepEvery = std::chrono::milliseconds(125);
inline constexpr Nanoseconds kBeepLength = std::chrono::milliseconds(40);
/// Beeps are numbered, by their frequency: 0 to 15 and from 0 again.
inline constexpr unsigned kBeepNumbers = 16;

/// The sample of that time: half of full scale, silence between beeps.
[[nodiscard]] float test_sound(Nanoseconds time);

struct Beep {
  double start = 0;  ///< seconds, on the samples' own clock
  unsigned number = 0;
};

/// Finds beeps in one channel.
class BeepReader {
 public:
  explicit BeepReader(unsigned rate) : rate_(rate) {}
  /// `time`: of the first sample, in seconds. What does not follow what was pushed before begins anew.
  void push(double time, std::span<const float> samples);
  /// Those found so far, and no more.
  [[nodiscard]] std::vector<Beep> take();
  /// Jumps within the sound that no beep has: clicks. Its beginning and end are none.
  [[nodiscard]] std::size_t clicks() const { return clicks_; }

 private:
  void end_beep();

  double rate_;
  double next_ = -1;  ///< when the next sample is due
  double power_ = 0;  ///< of late
  std::size_t quiet_ = 0;
  bool on_ = false;
  double start_ = 0;         ///< of beep_
  std::vector<float> beep_;  ///< being read, or what may be the beginning of one
  float before_ = 0, last_ = 0;
  std::size_t since_click_ = 0;
  bool click_ = false;  ///< one that is not counted yet
  bool heard_ = false;  ///< there has been sound
  std::size_t clicks_ = 0;
  std::vector<Beep> found_;
};

}  // namespace zc
