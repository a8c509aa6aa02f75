#include "zerocopy/device/route_trial.h"

#include "base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace zc {
namespace {

/// A stream that changes its size for ever does not grow memory; what it gets is the preferred route.
constexpr std::size_t kMaxKinds = 16;
/// Nothing is seen of a picture that takes less: a quarter of 1/60 s.
constexpr Nanoseconds kSoon = std::chrono::microseconds(4167);

double microseconds(Nanoseconds time) { return static_cast<double>(time.count()) / 1e3; }

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
  for (DeviceConverter* route : routes) {
    auto known = std::ranges::find(trial->runners, route, &Runner::route);
    if (known == trial->runners.end()) trial->runners.push_back({.route = route});
  }
  // Those that take this picture, in their order.
  contenders_.clear();
  for (DeviceConverter* route : routes) {
    contenders_.push_back(&*std::ranges::find(trial->runners, route, &Runner::route));
  }
  const Runner& fewest = **std::ranges::min_element(contenders_, {}, &Runner::pictures);
  return fewest.done() ? best(contenders_).route : fewest.route;
}

const RouteTrial::Runner& RouteTrial::best(std::span<const Runner* const> runners) {
  const auto time = [](const Runner* runner) { return runner->quartile.time; };
  const Runner* best = *std::ranges::min_element(runners, {}, time);
  const Nanoseconds enough = std::min(kSoon, time(best) + time(best) / 2);
  for (const Runner* runner : runners) {
    if (time(runner) <= enough && runner->quartile.cpu < best->quartile.cpu) best = runner;
  }
  return *best;
}

bool RouteTrial::measuring() const {
  return current_ != nullptr && !std::ranges::all_of(current_->runners, &Runner::done);
}

void RouteTrial::took(DeviceConverter& route, const RouteCost& cost) {
  if (current_ == nullptr) return;
  const auto runner = std::ranges::find(current_->runners, &route, &Runner::route);
  if (runner == current_->runners.end() || runner->done()) return;
  if (runner->pictures >= kWarmUp) {
    runner->times.at(runner->pictures - kWarmUp) = cost.time;
    runner->cpus.at(runner->pictures - kWarmUp) = cost.cpu;
  }
  ++runner->pictures;
  if (!runner->done()) return;
  std::ranges::sort(runner->times);
  std::ranges::sort(runner->cpus);
  runner->quartile = {.time = runner->times.at(kSamples / 4), .cpu = runner->cpus.at(kSamples / 4)};
  if (!current_->told && std::ranges::all_of(current_->runners, &Runner::done)) tell(*current_);
}

void RouteTrial::remove(const DeviceConverter& route) {
  for (Trial& trial : trials_) std::erase_if(trial.runners, [&](const Runner& r) { return r.route == &route; });
}

void RouteTrial::tell(Trial& trial) const {
  trial.told = true;
  std::vector<const Runner*> all;
  all.reserve(trial.runners.size());
  for (const Runner& runner : trial.runners) all.push_back(&runner);
  const Runner& chosen = best(all);
  std::string costs;
  for (const Runner& runner : trial.runners) {
    costs += fmt::format("{}{} {:.0f} us, {:.0f} us of CPU time", costs.empty() ? "" : "; ", runner.route->route(),
                         microseconds(runner.quartile.time), microseconds(runner.quartile.cpu));
    if (&runner != &chosen) runner.route->forget_targets();
  }
  logger("zerocopy")
      .info("the {} route is the best for {} of {}x{} with modifier {:#x}: {}", chosen.route->route(),
            name(trial.kind.format), trial.kind.buffer.width, trial.kind.buffer.height, trial.kind.modifier, costs);
}

}  // namespace zc
