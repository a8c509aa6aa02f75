#include "zerocopy/device/route_trial.h"

#include "base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace zc {
namespace {

/// A stream that changes its size for ever does not grow memory; what it gets is the preferred route.
constexpr std::size_t kMaxKinds = 16;

}  // namespace

DeviceConverter* RouteTrial::choose(const PictureKind& kind, std::span<DeviceConverter* const> routes) {
  current_ = nullptr;
  if (routes.size() < 2) return routes.front();
  auto trial = std::ranges::find(trials_, kind, &Trial::kind);
  if (trial == trials_.end()) {
    if (trials_.size() == kMaxKinds) return routes.front();
    trials_.push_back({.kind = kind, .runners = {}, .told = false});
    trial = trials_.end() - 1;
  }
  current_ = &*trial;
  const Runner* best = nullptr;
  for (DeviceConverter* route : routes) {
    auto known = std::ranges::find(trial->runners, route, &Runner::route);
    if (known == trial->runners.end()) known = trial->runners.insert(known, Runner{.route = route});
  }
  for (DeviceConverter* route : routes) {
    const Runner& runner = *std::ranges::find(trial->runners, route, &Runner::route);
    // The one that has made the fewest; among those that have made enough, the fastest.
    const bool better = best == nullptr || runner.pictures < best->pictures ||
                        (runner.done() && best->done() && runner.quartile < best->quartile);
    if (better) best = &runner;
  }
  return best->route;
}

void RouteTrial::took(DeviceConverter& route, Nanoseconds time) {
  if (current_ == nullptr) return;
  const auto runner = std::ranges::find(current_->runners, &route, &Runner::route);
  if (runner == current_->runners.end() || runner->done()) return;
  if (runner->pictures >= kWarmUp) runner->times.at(runner->pictures - kWarmUp) = time;
  ++runner->pictures;
  if (!runner->done()) return;
  std::ranges::sort(runner->times);
  runner->quartile = runner->times.at(kSamples / 4);
  if (!current_->told && std::ranges::all_of(current_->runners, &Runner::done)) tell(*current_);
}

void RouteTrial::remove(const DeviceConverter& route) {
  for (Trial& trial : trials_) std::erase_if(trial.runners, [&](const Runner& r) { return r.route == &route; });
}

void RouteTrial::tell(Trial& trial) const {
  trial.told = true;
  const auto fastest = std::ranges::min_element(trial.runners, {}, &Runner::quartile);
  std::string times;
  for (const Runner& runner : trial.runners) {
    times += fmt::format("{}{} {:.0f} us", times.empty() ? "" : ", ", runner.route->route(),
                         static_cast<double>(runner.quartile.count()) / 1e3);
    if (&runner != &*fastest) runner.route->forget_targets();
  }
  logger("zerocopy")
      .info("the {} route is the fastest for {} of {}x{} with modifier {:#x}: {}", fastest->route->route(),
            name(trial.kind.format), trial.kind.buffer.width, trial.kind.buffer.height, trial.kind.modifier, times);
}

}  // namespace zc
