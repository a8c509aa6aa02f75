#include "zerocopy/dmabuf_offer.h"

#include <algorithm>
#include <utility>

namespace zc {

FormatOffer with_dmabufs(FormatOffer offer, const std::function<std::vector<std::uint64_t>(PixelFormat)>& modifiers,
                         bool strict) {
  for (FormatOffer::Entry& entry : offer.formats) entry.modifiers = modifiers(entry.format);
  for (const PixelFormatInfo& format : pixel_formats()) {
    if (std::ranges::find(offer.formats, format.format, &FormatOffer::Entry::format) != offer.formats.end()) continue;
    auto found = modifiers(format.format);
    if (!found.empty()) offer.formats.push_back({format.format, std::move(found)});
  }
  if (!strict) return offer;
  std::erase_if(offer.formats, [](const FormatOffer::Entry& entry) { return entry.modifiers.empty(); });
  offer.shared_memory = false;
  return offer;
}

}  // namespace zc
