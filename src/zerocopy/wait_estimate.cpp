#include "zerocopy/wait_estimate.h"

#include <algorithm>

namespace zc {
namespace {

/// Between the planned end of a sleep and that of the work.
constexpr Nanoseconds kMargin = std::chrono::microseconds(5);
/// Less than this costs as much as it saves.
constexpr Nanoseconds kShortestSleep = std::chrono::microseconds(10);
/// More than any frame takes: an estimate is not to make a wait longer than its bound.
constexpr Nanoseconds kLongestSleep = std::chrono::milliseconds(20);
/// The first work may have waited for a driver's compiler. For the same reason an estimate doubles at the most: sleeps
/// that are much too long would go on for many frames.
constexpr Nanoseconds kMostFirst = std::chrono::microseconds(200);

}  // namespace

Nanoseconds WaitEstimate::sleep_time() const {
  const Nanoseconds sleep = std::min(kLongestSleep, expected_ - late_ - kMargin);
  return sleep < kShortestSleep ? Nanoseconds{} : sleep;
}

void WaitEstimate::learn(Nanoseconds took, bool overslept) {
  late_ -= late_ / 64;  // forgotten in time: one late wake-up is not to end all sleeps
  if (overslept) {
    expected_ -= expected_ / 4;
  } else if (expected_ == Nanoseconds{}) {
    expected_ = std::min(took, kMostFirst);
  } else if (took < expected_) {
    expected_ = took;
  } else {
    expected_ += std::min((took - expected_) / 8, expected_);
  }
}

void WaitEstimate::slept(Nanoseconds asked, Nanoseconds slept) {
  late_ += (std::max(Nanoseconds{}, slept - asked) - late_) / 4;
}

}  // namespace zc
