#pragma once

#include "base/clock.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace zc {

/// Makes a producer's timestamps trustworthy. gamescope sends -1; a screen that stood still sends the time of its last
/// change, which can be hours old; others use another clock.
class PtsValidator {
 public:
  /// A producer that is more than this late is not late but wrong: a recording must not begin in the past.
  static constexpr Nanoseconds kMaxAge = std::chrono::seconds(1);

  struct Stamp {
    Nanoseconds pts;
    bool replaced;  ///< the producer stated a time and it was not usable
  };

  /// `stated` is the header meta's pts, when there is one; `arrival` is CLOCK_MONOTONIC now. The answer is strictly
  /// greater than the one before: `stated` when it is that, not later than `arrival` and not older than kMaxAge; else
  /// `arrival`, moved up to one nanosecond behind the last one if need be.
  [[nodiscard]] Stamp stamp(std::optional<std::int64_t> stated, Nanoseconds arrival) {
    const bool usable = stated && *stated > last_.count() && *stated <= arrival.count() && arrival.count() >= 0 &&
                        *stated > (arrival - kMaxAge).count();
    last_ = usable ? Nanoseconds(*stated) : std::max(arrival, last_ + Nanoseconds(1));
    return {last_, stated.has_value() && !usable};
  }

 private:
  Nanoseconds last_{-1};
};

}  // namespace zc
