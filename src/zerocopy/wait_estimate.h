#pragma once

#include "base/clock.h"

namespace zc {

/// How long to sleep before asking for the end of work that takes about as long each time (AdaptiveSleep). Pure
/// bookkeeping: a sleep ends a little before the work does, and becomes shorter whenever it did not.
class WaitEstimate {
 public:
  /// Zero: not worth it, or nothing is known yet.
  [[nodiscard]] Nanoseconds sleep_time() const;
  /// The work took `took`, as far as one can tell: `overslept` says that it was over when the sleep ended, so that its
  /// end was not seen.
  void learn(Nanoseconds took, bool overslept);
  /// What was asked of the system and what it made of it.
  void slept(Nanoseconds asked, Nanoseconds slept);

 private:
  Nanoseconds expected_{};  ///< of the work
  Nanoseconds late_{};      ///< by which the system wakes up late
};

}  // namespace zc
