// Static HDR metadata: what the display it was made on could show, and how bright the content gets.
#pragma once

#include <cstdint>
#include <optional>

namespace zc {

/// CIE 1931 coordinates in units of 0.00002 (0 to 50,000).
struct Chromaticity {
  std::uint32_t x = 0;
  std::uint32_t y = 0;
  constexpr bool operator==(const Chromaticity&) const = default;
};

/// The colour volume of the mastering display, SMPTE ST 2086, in the units of its SEI message (ITU-T H.265 D.3.28).
struct MasteringDisplay {
  Chromaticity red, green, blue, white;
  std::uint32_t max_luminance = 0;  ///< 0.0001 cd/m^2
  std::uint32_t min_luminance = 0;  ///< 0.0001 cd/m^2
  constexpr bool operator==(const MasteringDisplay&) const = default;
};

/// CTA-861.3, cd/m^2.
struct ContentLight {
  std::uint16_t max_content = 0;        ///< MaxCLL, of the brightest pixel
  std::uint16_t max_frame_average = 0;  ///< MaxFALL, of the brightest picture
  constexpr bool operator==(const ContentLight&) const = default;
};

struct HdrMetadata {
  std::optional<MasteringDisplay> mastering;
  std::optional<ContentLight> light;
  constexpr bool operator==(const HdrMetadata&) const = default;
};

}  // namespace zc
