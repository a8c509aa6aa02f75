#include "zerocopy/vulkan/known_modifiers.h"

#include <algorithm>

namespace zc {

const std::vector<std::uint64_t>& KnownModifiers::of(PixelFormat format) const {
  const auto found = std::ranges::find(known_, format, &Known::first);
  if (found != known_.end()) return found->second;
  auto modifiers = sources_.modifiers(format);
  if (linear_only_) std::erase_if(modifiers, [](std::uint64_t modifier) { return modifier != kModifierLinear; });
  return known_.emplace_back(format, std::move(modifiers)).second;
}

bool KnownModifiers::has(PixelFormat format, std::uint64_t modifier) const {
  const auto& modifiers = of(format);
  return std::ranges::find(modifiers, modifier) != modifiers.end();
}

void KnownModifiers::keep_linear() {
  linear_only_ = true;
  ask_again();
}

}  // namespace zc
