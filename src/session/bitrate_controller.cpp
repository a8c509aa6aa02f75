#include "session/bitrate_controller.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace zc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Rates are taken over so long.
constexpr Nanoseconds kWindow = seconds(1);
constexpr Nanoseconds kLeastWindow = milliseconds(300);
/// A queue that was never shorter than kTooLong for kStanding does not come from a keyframe, which is a burst.
constexpr Nanoseconds kStanding = milliseconds(400);
constexpr Nanoseconds kTooLong = milliseconds(250);
/// No burst is so long.
constexpr Nanoseconds kFarTooLong = seconds(1);
/// What may stand when the rate goes up.
constexpr Nanoseconds kCalm = milliseconds(150);

/// Of what got through: the rest empties the queue.
constexpr double kDown = 0.75;
/// A step down is no larger: what stood still for a moment says little.
constexpr double kLargestDown = 0.4;
constexpr double kUp = 1.07;
/// Up to here what got through is trusted; above it a step is a try.
constexpr double kTrusted = 0.9;

struct Pace {
  Nanoseconds between_downs;
  Nanoseconds between_ups;
  double up;
};
constexpr Pace kCheap{seconds(1), seconds(3), kUp};
constexpr Pace kCostly{seconds(3), seconds(20), 1.3};

constexpr Nanoseconds kFirstPatience = seconds(10);
constexpr Nanoseconds kLongestPatience = seconds(80);

std::int64_t scaled(std::int64_t rate, double factor) {
  return static_cast<std::int64_t>(std::llround(static_cast<double>(rate) * factor));
}

Nanoseconds time_for(std::uint64_t bytes, std::int64_t bits_per_second) {
  return Nanoseconds(
      static_cast<std::int64_t>(static_cast<double>(bytes) * 8e9 / static_cast<double>(bits_per_second)));
}

/// bit/s; nullopt: it is not known for long enough.
template <class Samples>
std::optional<std::int64_t> rate_of(const Samples& samples) {
  if (samples.empty()) return std::nullopt;
  const Nanoseconds time = samples.back().at - samples.front().at;
  if (time < kLeastWindow) return std::nullopt;
  const double bits = 8.0 * static_cast<double>(samples.back().delivered - samples.front().delivered);
  return std::llround(bits * 1e9 / static_cast<double>(time.count()));
}

}  // namespace

BitrateController::BitrateController(Limits limits)
    : limits_(limits), target_(limits.most), patience_(kFirstPatience) {}

void BitrateController::set_limits(Limits limits) {
  limits_ = limits;
  target_ = limits.most;
  known_.reset();
  trying_ = false;
  patience_ = kFirstPatience;
  changed_at_.reset();
  lowered_at_.reset();
  calm_since_.reset();
}

void BitrateController::take_back(std::int64_t target) {
  if (target > target_) --reductions_;
  target_ = target;
  lowered_at_.reset();
}

Nanoseconds BitrateController::delay_of(const Link& link, Nanoseconds now, const Congestion& state) const {
  // What got through of late empties it, or would where less was sent than could have been.
  std::int64_t rate = target_;
  const bool known = !link.samples.empty() && now - link.samples.front().at >= kLeastWindow;
  if (known) rate = std::max(rate, rate_of(link.samples).value_or(0));
  return std::max(state.waiting, time_for(state.unsent, rate));
}

void BitrateController::note(Link& link, Nanoseconds now, const Congestion& state) const {
  const bool another = !link.samples.empty() && state.delivered < link.samples.back().delivered;
  if (another || state.late < link.late) link = {};  // a connection begins anew
  link.threw_away = !link.samples.empty() && state.late > link.late;
  link.late = state.late;
  link.seen = true;
  link.samples.push_back({.at = now, .delivered = state.delivered, .delay = delay_of(link, now, state)});
  while (now - link.samples.front().at > kWindow) link.samples.pop_front();
}

BitrateController::Verdict BitrateController::look(Nanoseconds now, std::span<const SinkCongestion> sinks) {
  for (auto& [peer, link] : links_) link.seen = false;
  Verdict verdict;
  for (const SinkCongestion& sink : sinks) {
    if (sink.away) verdict.calm = false;
    for (const Congestion& peer : sink.peers) {
      Link& link = links_[{sink.sink, peer.peer}];
      note(link, now, peer);
      judge(link, now, verdict);
    }
  }
  std::erase_if(links_, [](const auto& one) { return !one.second.seen; });
  return verdict;
}

void BitrateController::judge(const Link& link, Nanoseconds now, Verdict& verdict) {
  Nanoseconds least = Nanoseconds::max();
  for (const Sample& sample : link.samples) {
    if (sample.at >= now - kStanding) least = std::min(least, sample.delay);
  }
  const Nanoseconds newest = link.samples.back().delay;
  const bool long_enough = now - link.samples.front().at >= kStanding;
  const bool standing = (long_enough && least > kTooLong) || newest > kFarTooLong;
  if (least > kCalm || link.threw_away) verdict.calm = false;
  if (!standing && !link.threw_away) return;
  verdict.congested = true;
  verdict.delay = std::max(verdict.delay, newest);
  if (const auto delivered = rate_of(link.samples)) {
    verdict.delivered = std::min(*delivered, verdict.delivered.value_or(*delivered));
  }
}

std::optional<std::int64_t> BitrateController::step(Nanoseconds now, std::span<const SinkCongestion> sinks) {
  const Verdict verdict = look(now, sinks);
  if (!verdict.calm) calm_since_.reset();
  if (verdict.congested) return go_down(now, verdict);
  if (!verdict.calm) return std::nullopt;
  if (!calm_since_) calm_since_ = now;
  return go_up(now);
}

std::optional<std::int64_t> BitrateController::go_down(Nanoseconds now, const Verdict& verdict) {
  const Pace& pace = costly_ ? kCostly : kCheap;
  if (lowered_at_) {
    if (now - *lowered_at_ < pace.between_downs) return std::nullopt;
    if (verdict.delay < drained_to_) {  // what waits gets less: the rate fits
      lowered_at_ = now;
      drained_to_ = verdict.delay;
      return std::nullopt;
    }
  }
  const std::int64_t got_through = std::min(verdict.delivered.value_or(target_), target_);
  const std::int64_t wanted = std::max(scaled(got_through, kDown), scaled(target_, kLargestDown));
  const std::int64_t lower = std::max(wanted, limits_.least);
  if (std::exchange(trying_, false)) patience_ = std::min(patience_ * 2, kLongestPatience);
  // What stood still for a moment has not shown how much it takes.
  known_ = scaled(got_through, kDown) >= lower ? std::optional(got_through) : std::nullopt;
  lowered_at_ = now;
  // Bytes that wait will be reckoned at the lower rate.
  const std::int64_t then = std::max({got_through, lower, std::int64_t{1}});
  drained_to_ = Nanoseconds(scaled(verdict.delay.count(), static_cast<double>(target_) / static_cast<double>(then)));
  if (lower >= target_) return std::nullopt;
  target_ = lower;
  changed_at_ = now;
  ++reductions_;
  return target_;
}

std::optional<std::int64_t> BitrateController::go_up(Nanoseconds now) {
  if (target_ >= limits_.most) return std::nullopt;
  const Pace& pace = costly_ ? kCostly : kCheap;
  std::int64_t higher = std::min(limits_.most, scaled(target_, pace.up));
  Nanoseconds patience = pace.between_ups;
  bool tries = false;
  if (known_ && higher > scaled(*known_, kTrusted)) {
    const std::int64_t trusted = scaled(*known_, kTrusted);
    if (target_ < trusted) {
      higher = std::min(higher, trusted);
    } else {
      tries = true;
      patience = std::max(patience, patience_);
    }
  }
  const Nanoseconds since = std::max(*calm_since_, changed_at_.value_or(*calm_since_));
  if (now - since < patience) return std::nullopt;
  target_ = higher;
  changed_at_ = now;
  lowered_at_.reset();
  trying_ = tries;
  // It takes more than it did.
  if (known_ && target_ > scaled(*known_, 1.2)) {
    known_.reset();
    trying_ = false;
    patience_ = kFirstPatience;
  }
  return target_;
}

}  // namespace zc
