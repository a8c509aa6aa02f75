#pragma once

#include "media/geometry.h"
#include "media/pixel_format.h"

#include <cstdint>
#include <vector>

namespace zc {

/// What a consumer can take, in order of preference: made by an importer (what it can really read), turned into the
/// source's own negotiation by the source.
struct FormatOffer {
  struct Entry {
    PixelFormat format = PixelFormat::Unknown;
    /// DRM modifiers acceptable as dmabuf, best first. Empty: this format only as shared memory.
    std::vector<std::uint64_t> modifiers;
  };
  std::vector<Entry> formats;
  bool shared_memory = true;  ///< MemFd buffers are acceptable too (always offered last)
  Size preferred_size{1920, 1080};
  Rational preferred_rate{60, 1};
  Rational max_rate{1000, 1};
};

}  // namespace zc
