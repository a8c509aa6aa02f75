#include "capture/producer_clock.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace zc {
namespace {

/// Pictures over which a lag is forgotten.
constexpr int kMemory = 64;
/// A stamp beyond is none: CLOCK_REALTIME gets there in 2116.
constexpr std::int64_t kLatest = std::numeric_limits<std::int64_t>::max() / 2;
/// Stamps in a row that were of no use, and agree to so much, are those of a clock that was set.
constexpr int kEnough = 4;
constexpr Nanoseconds kAgreement = std::chrono::milliseconds(60);
/// A foreign clock follows the arrivals by this part of its error (and its rate by what is critically damped), which
/// one late delivery cannot spoil: no picture is moved by more than kMostError * kGain against the one before.
constexpr double kGain = 1.0 / 64;
constexpr double kRateGain = kGain * kGain / 2;
constexpr Nanoseconds kMostError = std::chrono::milliseconds(20);
constexpr double kMostDrift = 0.01;
constexpr Nanoseconds kLeastStep = std::chrono::milliseconds(1);
constexpr std::int64_t kLongestGap = 3'600'000'000'000;

}  // namespace

ProducerClock::Stamp ProducerClock::picture(std::optional<std::int64_t> stated, Nanoseconds arrival) {
  std::optional<Nanoseconds> time;
  // KWin has two buffers between two presentations, which it stamps alike; a clock that stands still is none.
  const bool again = stated && *stated == last_stated_;
  if (stated && *stated > 0 && *stated < kLatest && !(again && stated_twice_)) time = read(*stated, arrival);
  stated_twice_ = again;
  last_stated_ = stated.value_or(0);
  last_ = std::max(time.value_or(arrival - least_lag_), last_ + Nanoseconds(1));
  return {last_, stated.has_value() && !time};
}

Nanoseconds ProducerClock::news(Nanoseconds arrival) {
  return last_ = std::max(arrival - most_lag_, last_ + Nanoseconds(1));
}

bool ProducerClock::fits(Nanoseconds lag) const {
  return lag >= -kMostLead && lag <= (lag_known_ ? std::min(kMostLag, least_lag_ + kSpread) : kMostLag);
}

void ProducerClock::learn(Nanoseconds lag) {
  least_lag_ = lag_known_ ? std::min(lag, least_lag_ + (lag - least_lag_) / kMemory) : lag;
  most_lag_ = lag_known_ ? std::max(lag, most_lag_ - (most_lag_ - lag) / kMemory) : lag;
  lag_known_ = true;
}

std::optional<Nanoseconds> ProducerClock::read(std::int64_t stated, Nanoseconds arrival) {
  // The clock that the stream has had so far first, so that no picture flips from one to the other.
  std::optional<Nanoseconds> time = read_foreign(stated, arrival);
  const Nanoseconds offset = arrival - Nanoseconds(stated);
  if (!time && fits(offset)) {
    foreign_.reset();
    learn(offset);
    time = Nanoseconds(stated);
  }
  if (!time) {
    const bool agrees = doubt_ && stated > doubt_->stamp && offset - doubt_->offset <= kAgreement &&
                        doubt_->offset - offset <= kAgreement;
    doubt_ = agrees ? Doubt{stated, doubt_->offset, doubt_->agreeing + 1} : Doubt{stated, offset, 1};
    const bool first = !lag_known_ && !foreign_;
    if (!first && doubt_->agreeing < kEnough) return std::nullopt;
    foreign_ = Foreign{stated, arrival - least_lag_, least_lag_, foreign_ ? foreign_->drift : 0.0};
    time = foreign_->time;
  }
  doubt_.reset();
  return time;
}

std::optional<Nanoseconds> ProducerClock::read_foreign(std::int64_t stated, Nanoseconds arrival) {
  if (!foreign_) return std::nullopt;
  const std::int64_t step = stated - foreign_->stamp;
  if (step < -kLongestGap || step > kLongestGap) return std::nullopt;
  const Nanoseconds time =
      foreign_->time + Nanoseconds(std::llround(static_cast<double>(step) * (1 + foreign_->drift)));
  if (!fits(arrival - time)) return std::nullopt;
  learn(arrival - time);
  const Nanoseconds error = std::clamp(arrival - foreign_->lag - time, -kMostError, kMostError);
  const auto error_ns = static_cast<double>(error.count());
  const auto step_ns = static_cast<double>(std::max<std::int64_t>(step, kLeastStep.count()));
  foreign_->drift = std::clamp(foreign_->drift + kRateGain * error_ns / step_ns, -kMostDrift, kMostDrift);
  foreign_->stamp = stated;
  foreign_->time = time + Nanoseconds(std::llround(error_ns * kGain));
  return foreign_->time;
}

}  // namespace zc
