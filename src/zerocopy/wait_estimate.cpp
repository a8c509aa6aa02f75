#include "zerocopy/wait_estimate.h"

#include <algorithm>

namespace zc {
namespace {

/// Between the planned end of a nap and that of the work.
constexpr Nanoseconds kMargin = std::chrono::microseconds(5);
/// Less than this costs as much as it saves.
constexpr Nanoseconds kLeastNap = std::chrono::microseconds(10);
/// More than any frame takes: an estimate is not to make a wait longer than its bound.
constexpr Nanoseconds kMostNap = std::chrono::milliseconds(20);

}  // namespace

Nanoseconds WaitEstimate::nap() const {
  const Nanoseconds nap = std::min(kMostNap, expected_ - late_ - kMargin);
  return nap < kLeastNap ? Nanoseconds{} : nap;
}

void WaitEstimate::learn(Nanoseconds took, bool overslept) {
  late_ -= late_ / 64;  // forgotten in time: one late wake-up is not to end all naps
  if (overslept) {
    expected_ -= expected_ / 4;
  } else if (expected_ == Nanoseconds{} || took < expected_) {
    expected_ = took;
  } else {
    expected_ += (took - expected_) / 8;
  }
}

void WaitEstimate::napped(Nanoseconds asked, Nanoseconds slept) {
  late_ += (std::max(Nanoseconds{}, slept - asked) - late_) / 4;
}

}  // namespace zc
