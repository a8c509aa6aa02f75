#pragma once

#include "media/colour.h"

namespace zc {

/// Brighter than SDR: only tone mapping would make the one of the other.
[[nodiscard]] constexpr bool is_hdr(TransferFunction transfer) {
  return transfer == TransferFunction::PQ || transfer == TransferFunction::HLG;
}

}  // namespace zc
