#include "probe/modifier_names.h"

#include <fmt/format.h>
#include <xf86drm.h>

#include <cstdlib>
#include <memory>

namespace zc::probe {
namespace {

struct Free {
  void operator()(char* text) const noexcept { std::free(text); }  // NOLINT: libdrm hands out malloc()ed strings
};
std::string taken(char* text) {
  const std::unique_ptr<char, Free> owned(text);
  return owned == nullptr ? std::string() : std::string(owned.get());
}

}  // namespace

std::string modifier_name(std::uint64_t modifier) {
  std::string layout = taken(drmGetFormatModifierName(modifier));
  const std::string vendor = taken(drmGetFormatModifierVendor(modifier));
  // LINEAR and INVALID belong to no vendor; some layouts name theirs already.
  if (layout.empty() || vendor.empty() || vendor == "NONE" || layout.starts_with(vendor)) return layout;
  return fmt::format("{}_{}", vendor, layout);
}

ModifierFacts modifier_facts(std::uint64_t modifier) {
  return {.modifier = fmt::format("0x{:016x}", modifier), .name = modifier_name(modifier)};
}

}  // namespace zc::probe
