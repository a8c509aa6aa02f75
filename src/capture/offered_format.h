#pragma once

#include "media/coded_image.h"
#include "media/geometry.h"
#include "media/pixel_format.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace zc {

/// One EnumFormat of a foreign node. The format may be a choice: one entry for each.
struct OfferedFormat {
  PixelFormat format = PixelFormat::Unknown;
  std::optional<CodedFormat> coded;  ///< set: coded pictures, and `format` is unknown
  Size min_size;
  Size max_size;
  std::vector<Size> sizes;                ///< those there are; empty: any between the two
  Rational max_rate;                      ///< 0 = not stated
  std::vector<Rational> rates;            ///< those there are; empty: any up to it, or not stated
  std::optional<std::uint64_t> modifier;  ///< of a dmabuf, the preferred one
  bool dmabuf = false;
  bool operator==(const OfferedFormat&) const = default;
};
[[nodiscard]] inline std::string_view name(const OfferedFormat& offered) {
  return offered.coded ? name(*offered.coded) : name(offered.format);
}

}  // namespace zc
