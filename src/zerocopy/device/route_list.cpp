#include "zerocopy/device/route_list.h"

#include "base/log.h"

#include <algorithm>

namespace zc {
namespace {

constexpr std::uint64_t kFirstRest = 64;
constexpr unsigned kMostDoublings = 6;

}  // namespace

RouteList::RouteList(std::vector<std::unique_ptr<DeviceConverter>> routes) {
  entries_.reserve(routes.size());
  candidates_.reserve(routes.size());
  for (auto& route : routes) entries_.push_back({.converter = std::move(route)});
}

std::vector<RouteList::Entry>::iterator RouteList::entry(const DeviceConverter& route) {
  return std::ranges::find_if(entries_, [&](const Entry& e) { return e.converter.get() == &route; });
}

DeviceConverter* RouteList::find(const Dmabuf& dmabuf, const PicturePlan& plan, const DeviceConverter* after) {
  auto at = entries_.begin();
  if (after != nullptr) {
    at = entry(*after);
    if (at != entries_.end()) ++at;
  }
  candidates_.clear();
  for (; at != entries_.end(); ++at) {
    if (at->resting_to <= picture_ && at->converter->takes(dmabuf, plan)) candidates_.push_back(at->converter.get());
  }
  if (candidates_.empty()) return nullptr;
  // LINEAR is read fastest as a buffer, which is the first route's; what is scaled differs by a filter's rounding, and
  // must not flicker between routes.
  if (dmabuf.modifier == kModifierLinear || plan.scaled) return candidates_.front();
  return trial_.choose({plan.format, dmabuf.modifier, plan.buffer, plan.surface}, candidates_);
}

bool RouteList::takes(const Dmabuf& dmabuf, const PicturePlan& plan) const {
  return std::ranges::any_of(entries_, [&](const Entry& e) { return e.converter->takes(dmabuf, plan); });
}

void RouteList::failed(DeviceConverter& route, const Error& error) {
  const auto at = entry(route);
  if (at == entries_.end()) return;
  setback_ = error.message();
  if (error.kind == ErrorKind::Timeout || error.kind == ErrorKind::Lost) {
    logger("zerocopy").warn("the {} route ends here, the next one goes on: {}", route.route(), error.message());
    trial_.remove(route);
    entries_.erase(at);
    ++version_;
    return;
  }
  const std::uint64_t rest = kFirstRest << std::min(at->failures, kMostDoublings);
  const auto level = at->failures == 0 ? spdlog::level::warn : spdlog::level::debug;
  logger("zerocopy")
      .log(level, "the {} route failed, the next one goes on; it is tried again after {} pictures: {}", route.route(),
           rest, error.message());
  at->resting_to = picture_ + rest;
  ++at->failures;
}

bool RouteList::refused(const DeviceConverter& route, const Dmabuf& dmabuf, const Error& error) {
  if (error.kind != ErrorKind::Unsupported) return false;
  const auto left = route.modifiers(dmabuf.format);
  if (std::ranges::find(left, dmabuf.modifier) != left.end()) return false;
  logger("zerocopy")
      .warn("the {} route does not take {} with modifier {:#x}: {}", route.route(), name(dmabuf.format),
            dmabuf.modifier, error.message());
  setback_ = error.message();
  ++version_;
  return true;
}

void RouteList::clear() {
  if (!entries_.empty()) ++version_;
  trial_ = {};
  entries_.clear();
}

void RouteList::succeeded(DeviceConverter& route, const RouteCost& cost) {
  trial_.took(route, cost);
  const auto at = entry(route);
  if (at == entries_.end() || at->failures == 0) return;
  logger("zerocopy").info("the {} route works again", route.route());
  at->failures = 0;
}

std::vector<std::uint64_t> RouteList::modifiers(PixelFormat format) const {
  std::vector<std::uint64_t> all;
  for (const Entry& e : entries_) {
    for (const std::uint64_t modifier : e.converter->modifiers(format)) {
      if (std::ranges::find(all, modifier) == all.end()) all.push_back(modifier);
    }
  }
  std::ranges::stable_partition(all, [](std::uint64_t modifier) { return modifier != kModifierLinear; });
  return all;
}

void RouteList::forget_targets() {
  for (const Entry& e : entries_) e.converter->forget_targets();
}

}  // namespace zc
