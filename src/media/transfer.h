#pragma once

#include "media/colour.h"

#include <string_view>

namespace zc {

/// As options and reports name it; "unknown".
[[nodiscard]] constexpr std::string_view to_string(TransferFunction transfer) {
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

/// Brighter than SDR: only tone mapping would make the one of the other.
[[nodiscard]] constexpr bool is_hdr(TransferFunction transfer) {
  return transfer == TransferFunction::PQ || transfer == TransferFunction::HLG;
}

}  // namespace zc
