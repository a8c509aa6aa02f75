#pragma once

#include <cstdint>
#include <string_view>

namespace zc {

/// `Rgb`: none; green, blue and red themselves lie where luma, Cb and Cr would (ITU-T H.273, matrix coefficients 0).
enum class ColourMatrix : std::uint8_t { Unknown, BT601, BT709, BT2020, Rgb };
enum class ColourRange : std::uint8_t { Unknown, Limited, Full };
enum class ColourPrimaries : std::uint8_t { Unknown, BT601, BT709, BT2020 };
enum class TransferFunction : std::uint8_t { Unknown, BT709, SRGB, BT2020_10, PQ, HLG };

/// In reports, "unknown" among them.
[[nodiscard]] constexpr std::string_view name(ColourMatrix matrix) {
  switch (matrix) {
    case ColourMatrix::BT601: return "bt601";
    case ColourMatrix::BT709: return "bt709";
    case ColourMatrix::BT2020: return "bt2020";
    case ColourMatrix::Rgb: return "rgb";
    case ColourMatrix::Unknown: break;
  }
  return "unknown";
}

[[nodiscard]] constexpr std::string_view name(ColourRange range) {
  switch (range) {
    case ColourRange::Limited: return "limited";
    case ColourRange::Full: return "full";
    case ColourRange::Unknown: break;
  }
  return "unknown";
}

[[nodiscard]] constexpr std::string_view name(ColourPrimaries primaries) {
  switch (primaries) {
    case ColourPrimaries::BT601: return "bt601";
    case ColourPrimaries::BT709: return "bt709";
    case ColourPrimaries::BT2020: return "bt2020";
    case ColourPrimaries::Unknown: break;
  }
  return "unknown";
}

[[nodiscard]] constexpr std::string_view name(TransferFunction transfer) {
  switch (transfer) {
    case TransferFunction::BT709: return "bt709";
    case TransferFunction::SRGB: return "srgb";
    case TransferFunction::BT2020_10: return "bt2020-10";
    case TransferFunction::PQ: return "pq";
    case TransferFunction::HLG: return "hlg";
    case TransferFunction::Unknown: break;
  }
  return "unknown";
}

/// What the numbers in a picture mean. `Unknown` = the producer did not say.
struct ColourDescription {
  ColourMatrix matrix = ColourMatrix::Unknown;
  ColourRange range = ColourRange::Unknown;
  ColourPrimaries primaries = ColourPrimaries::Unknown;
  TransferFunction transfer = TransferFunction::Unknown;
  constexpr bool operator==(const ColourDescription&) const = default;
};

/// The default of everything we encode: BT.709, limited range. Screens hand over sRGB; like every broadcaster and
/// browser we tag BT.709 transfer for it.
inline constexpr ColourDescription kBt709Limited{ColourMatrix::BT709, ColourRange::Limited, ColourPrimaries::BT709,
                                                 TransferFunction::BT709};

/// What a desktop shows, unconverted.
inline constexpr ColourDescription kRgbFull{ColourMatrix::Rgb, ColourRange::Full, ColourPrimaries::BT709,
                                            TransferFunction::SRGB};

/// Luma coefficients of a matrix (ITU-R BT.601, BT.709, BT.2020 non-constant luminance).
struct LumaWeights {
  double red;
  double blue;
};
[[nodiscard]] constexpr LumaWeights luma_weights(ColourMatrix matrix) {
  switch (matrix) {
    case ColourMatrix::BT601: return {0.299, 0.114};
    case ColourMatrix::BT2020: return {0.2627, 0.0593};
    case ColourMatrix::BT709:
    case ColourMatrix::Rgb:
    case ColourMatrix::Unknown: break;
  }
  return {0.2126, 0.0722};
}

}  // namespace zc
