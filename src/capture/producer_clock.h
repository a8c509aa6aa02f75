#pragma once

#include "base/clock.h"

#include <chrono>
#include <cstdint>
#include <optional>

namespace zc {

/// What time a producer's pictures are of, by one model of its clock for the whole stream. Pure: it is told every time.
///
/// Compositors and cameras stamp in CLOCK_MONOTONIC. Such a stamp is right as it is, however much it lags its delivery
/// (KWin states the presentation before, a camera the exposure) or leads it (Mutter 44 on states the coming vblank).
/// Other clocks (a running time from zero, CLOCK_REALTIME) are followed by offset and rate. A stamp that fits neither,
/// and a picture without one (gamescope states -1, niri 0), is given its arrival less the lag that the stream has, so
/// that no picture moves against its neighbours. Several of them that agree are a clock that was set: it is followed
/// from there on.
class ProducerClock {
 public:
  /// The stamp of a picture lies at most so far behind its delivery, and ahead of it.
  static constexpr Nanoseconds kMostLag = std::chrono::milliseconds(600);
  static constexpr Nanoseconds kMostLead = std::chrono::milliseconds(100);
  /// And so far above the least lag of the stream: KWin's first stamp after a screen that stood still is as old as the
  /// stillness, Mutter's first picture is late by 200 ms.
  static constexpr Nanoseconds kSpread = std::chrono::milliseconds(250);

  struct Stamp {
    Nanoseconds pts;
    bool replaced;  ///< the producer stated a time and it was not usable
  };

  /// `stated`: the header meta's pts in nanoseconds, when there is one; `arrival`: CLOCK_MONOTONIC now. The answer is
  /// CLOCK_MONOTONIC and rises strictly, from news to picture too.
  [[nodiscard]] Stamp picture(std::optional<std::int64_t> stated, Nanoseconds arrival);
  /// News without a picture, whatever it states (Mutter when it sent it, KWin the picture before): not later than any
  /// picture that is yet to come, which must not be moved by it.
  [[nodiscard]] Nanoseconds news(Nanoseconds arrival);

 private:
  /// A clock that is not CLOCK_MONOTONIC, as it stood at its newest stamp.
  struct Foreign {
    std::int64_t stamp;
    Nanoseconds time;  ///< CLOCK_MONOTONIC
    Nanoseconds lag;   ///< of the deliveries behind that, on average
    double drift;      ///< its nanosecond is 1 + drift of ours
  };
  struct Doubt {
    std::int64_t stamp;
    Nanoseconds offset;  ///< to the arrival, of the first
    int agreeing;
  };

  [[nodiscard]] std::optional<Nanoseconds> read(std::int64_t stated, Nanoseconds arrival);
  [[nodiscard]] std::optional<Nanoseconds> read_foreign(std::int64_t stated, Nanoseconds arrival);
  [[nodiscard]] bool fits(Nanoseconds lag) const;
  void learn(Nanoseconds lag);

  Nanoseconds last_{-1};
  std::int64_t last_stated_ = 0;
  bool stated_twice_ = false;
  // Of the pictures whose stamps are used; slowly forgotten.
  bool lag_known_ = false;
  Nanoseconds least_lag_{};
  Nanoseconds most_lag_{};
  std::optional<Foreign> foreign_;
  std::optional<Doubt> doubt_;
};

}  // namespace zc
