// From HDR pictures (SMPTE ST 2084, "PQ") to what an SDR screen shows.
#pragma once

#include "media/colour.h"

#include <cstdint>

namespace zc {

/// What becomes of a pixel: its largest component is brought from kTonePeak down to kToneWhite by the curve of ITU-R
/// BT.2390 (5.4.1: nothing changes in the lower part, a Hermite spline above), the other two keep their ratio to it,
/// so hues stay. Then BT.2020's primaries become BT.709's, clipped, and a gamma of 2.2 codes them, which is what
/// desktops decode SDR with. shaders/rgb_to_yuv.comp and ToneMapper do the same, to within one code value.
enum class ToneMap : std::uint8_t {
  None,
  Keep,     ///< the primaries stay
  ToBt709,  ///< from BT.2020
};

/// Nits: where SDR's white is in HDR (ITU-R BT.2408), and the brightest that is told apart from brighter ones.
inline constexpr double kToneWhite = 203;
inline constexpr double kTonePeak = 1000;

/// What pictures of `source` need for a surface of `target`. A source that does not name its primaries has BT.2020's.
[[nodiscard]] constexpr ToneMap tone_map(const ColourDescription& source, const ColourDescription& target) {
  if (source.transfer != TransferFunction::PQ || target.transfer == TransferFunction::PQ) return ToneMap::None;
  const bool wide = source.primaries == ColourPrimaries::BT2020 || source.primaries == ColourPrimaries::Unknown;
  return wide && target.primaries != ColourPrimaries::BT2020 ? ToneMap::ToBt709 : ToneMap::Keep;
}

}  // namespace zc
