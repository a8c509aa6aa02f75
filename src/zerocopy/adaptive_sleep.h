#pragma once

#include "base/clock.h"
#include "zerocopy/wait_estimate.h"

namespace zc {

/// Sleep before a driver is asked for the end of the work just given to it, for most of what such work took lately. A
/// driver either spins until then (NVIDIA's OpenGL) or wakes the thread up late (its Vulkan). One thread makes every
/// call; its timers become exact with the first sleep.
class AdaptiveSleep {
 public:
  /// Right after the work was given away: sleeps, at most for half of `timeout`. False: not at all.
  bool sleep(Nanoseconds timeout);
  /// The work is over; `overslept` says that it already was when sleep() had slept.
  void over(bool overslept) { estimate_.learn(monotonic_now() - began_, overslept); }

 private:
  WaitEstimate estimate_;
  Nanoseconds began_{};
  bool exact_ = false;  ///< the thread's timers
};

}  // namespace zc
