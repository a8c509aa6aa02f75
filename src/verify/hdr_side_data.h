#pragma once

#include "media/hdr.h"

extern "C" {
#include <libavutil/mastering_display_metadata.h>
}

namespace zc::verify {

[[nodiscard]] inline std::uint32_t in_units(AVRational value, double per_one) {
  const double scaled = value.den == 0 ? 0 : av_q2d(value) * per_one;
  return scaled <= 0 || scaled > 4e9 ? 0 : static_cast<std::uint32_t>(scaled + 0.5);
}

/// libavutil's side data in our units; unset parts are zero.
[[nodiscard]] inline MasteringDisplay from_av(const AVMasteringDisplayMetadata& data) {
  constexpr double kChromaticity = 50'000;
  constexpr double kLuminance = 10'000;
  const auto point = [](const AVRational(&xy)[2]) {
    return Chromaticity{in_units(xy[0], kChromaticity), in_units(xy[1], kChromaticity)};
  };
  MasteringDisplay display;
  if (data.has_primaries != 0) {
    display.red = point(data.display_primaries[0]);
    display.green = point(data.display_primaries[1]);
    display.blue = point(data.display_primaries[2]);
    display.white = point(data.white_point);
  }
  if (data.has_luminance != 0) {
    display.max_luminance = in_units(data.max_luminance, kLuminance);
    display.min_luminance = in_units(data.min_luminance, kLuminance);
  }
  return display;
}

[[nodiscard]] inline ContentLight from_av(const AVContentLightMetadata& data) {
  return {static_cast<std::uint16_t>(data.MaxCLL), static_cast<std::uint16_t>(data.MaxFALL)};
}

}  // namespace zc::verify
