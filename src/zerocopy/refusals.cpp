#include "zerocopy/refusals.h"

#include <algorithm>
#include <chrono>

namespace zc {
namespace {

constexpr Nanoseconds kFirst = std::chrono::minutes(1);
constexpr unsigned kMostDoublings = 6;

}  // namespace

const Refusals::Refusal* Refusals::find(std::string_view converter, PixelFormat format, std::uint64_t modifier) const {
  const auto found = std::ranges::find_if(refusals_, [&](const Refusal& r) {
    return r.converter == converter && r.format == format && r.modifier == modifier;
  });
  return found == refusals_.end() ? nullptr : &*found;
}

bool Refusals::has(std::string_view converter, PixelFormat format, std::uint64_t modifier) const {
  const Refusal* found = find(converter, format, modifier);
  return found != nullptr && !found->over;
}

void Refusals::add(std::string_view converter, PixelFormat format, std::uint64_t modifier, Nanoseconds now) {
  Refusal fresh{.converter = converter, .format = format, .modifier = modifier};
  if (const Refusal* known = find(converter, format, modifier)) {
    fresh.times = known->times;
    refusals_.erase(refusals_.begin() + (known - refusals_.data()));
  }
  fresh.until = now + kFirst * (1U << std::min(fresh.times, kMostDoublings));
  ++fresh.times;
  refusals_.push_back(fresh);
}

bool Refusals::expire(Nanoseconds now) {
  bool any = false;
  for (Refusal& r : refusals_) {
    if (r.over || now < r.until) continue;
    r.over = any = true;
  }
  return any;
}

}  // namespace zc
