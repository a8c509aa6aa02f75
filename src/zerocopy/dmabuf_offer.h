#pragma once

#include "media/format_offer.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace zc {

/// An offer whose dmabufs are those a GPU reads: `modifiers` of each format that there is, those that `offer` does not
/// have included. `strict`: no shared memory.
[[nodiscard]] FormatOffer with_dmabufs(FormatOffer offer,
                                       const std::function<std::vector<std::uint64_t>(PixelFormat)>& modifiers,
                                       bool strict);

}  // namespace zc
