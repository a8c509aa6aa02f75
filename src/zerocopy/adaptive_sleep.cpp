#include "zerocopy/adaptive_sleep.h"

#include <sys/prctl.h>

#include <algorithm>
#include <thread>
#include <utility>

namespace zc {

bool AdaptiveSleep::sleep(Nanoseconds timeout) {
  began_ = monotonic_now();
  const Nanoseconds asked = std::min(estimate_.sleep_time(), timeout / 2);
  if (asked <= Nanoseconds{}) return false;
  // Timers of a thread are late by up to its slack, 50 us unless told otherwise, which is what a frame takes.
  if (!std::exchange(exact_, true)) ::prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
  std::this_thread::sleep_for(asked);
  estimate_.slept(asked, monotonic_now() - began_);
  return true;
}

}  // namespace zc
