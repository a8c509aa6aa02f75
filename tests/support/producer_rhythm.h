// When the test producer's buffers are due: the times of a recorded producer, played again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace zc::test {

/// When pictures are stamped and handed over, as it was recorded. Both lists begin anew at their end.
struct Rhythm {
  std::vector<std::chrono::nanoseconds> intervals;  ///< from the stamp before to each picture's; empty: steady
  std::vector<std::chrono::nanoseconds> lags;       ///< from each picture's stamp to its handing over; may be negative
  [[nodiscard]] bool stated() const { return !intervals.empty() || !lags.empty(); }
};

/// Says of each buffer in turn what it is and when it goes out. Times are CLOCK_MONOTONIC.
class RhythmClock {
 public:
  using Time = std::chrono::nanoseconds;
  /// Between two buffers, however their times fall.
  static constexpr Time kClosest = std::chrono::milliseconds(2);

  /// `period`: between stamps where the rhythm names no intervals. `pointers`: after each picture comes a buffer that
  /// only moves the pointer.
  RhythmClock(Rhythm rhythm, Time period, bool pointers)
      : rhythm_(std::move(rhythm)), period_(period), pointers_(pointers) {}

  /// The stream runs (again): the next buffer has a picture, and is due then.
  Time begin(Time now) {
    picture_ = true;
    pts_ = std::max(pts_, now - std::min(lag(beat_), Time(0)));
    return due_ = std::max(pts_ + lag(beat_), now);
  }
  /// After the buffer that was due: when the next one is.
  Time next(Time now) {
    if (pointers_ && std::exchange(picture_, !picture_)) {
      const Time picture = pts_ + interval(beat_ + 1) + lag(beat_ + 1);  // which keeps its time
      return due_ = now + std::max(picture - now, Time(0)) / 4;
    }
    picture_ = true;
    ++beat_;
    pts_ += interval(beat_);
    return due_ = std::max(pts_ + lag(beat_), now + kClosest);
  }
  /// What begin() or next() said last.
  [[nodiscard]] Time due() const { return due_; }
  /// Of the buffer that is due: the time of its picture, or of the picture before.
  [[nodiscard]] Time pts() const { return pts_; }
  [[nodiscard]] bool picture() const { return picture_; }

 private:
  [[nodiscard]] Time interval(std::size_t beat) const {
    return rhythm_.intervals.empty() ? period_ : rhythm_.intervals[beat % rhythm_.intervals.size()];
  }
  [[nodiscard]] Time lag(std::size_t beat) const {
    return rhythm_.lags.empty() ? Time(0) : rhythm_.lags[beat % rhythm_.lags.size()];
  }

  Rhythm rhythm_;
  Time period_;
  bool pointers_;
  Time pts_{};
  Time due_{};
  std::size_t beat_ = 0;
  bool picture_ = true;
};

}  // namespace zc::test
