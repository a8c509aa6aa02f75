#include "media/format_offer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace zc {

bool FormatOffer::has_dmabufs() const {
  return std::ranges::any_of(formats, [](const Entry& entry) { return !entry.modifiers.empty(); });
}

bool FormatOffer::has(PixelFormat format, std::uint64_t modifier) const {
  return std::ranges::any_of(formats, [&](const Entry& entry) {
    return entry.format == format && std::ranges::find(entry.modifiers, modifier) != entry.modifiers.end();
  });
}

bool FormatOffer::nothing() const { return coded.empty() && (formats.empty() || (!shared_memory && !has_dmabufs())); }

void FormatOffer::drop_dmabufs() {
  for (Entry& entry : formats) entry.modifiers.clear();
}

void FormatOffer::drop(PixelFormat format, std::span<const std::uint64_t> modifiers) {
  for (Entry& entry : formats) {
    if (entry.format != format) continue;
    std::erase_if(entry.modifiers, [&](std::uint64_t m) { return std::ranges::find(modifiers, m) != modifiers.end(); });
  }
}

std::string describe(const FormatOffer& offer) {
  const auto with = std::ranges::find_if(offer.formats, [](const auto& entry) { return !entry.modifiers.empty(); });
  std::string text;
  if (with != offer.formats.end()) {
    text = fmt::format("dmabufs ({} with modifier {:#x})", name(with->format), fmt::join(with->modifiers, ", "));
  }
  if (offer.shared_memory) text += text.empty() ? "shared memory" : " or shared memory";
  return text.empty() ? "nothing" : text;
}

}  // namespace zc
