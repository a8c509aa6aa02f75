#pragma once

#include "decode/decoder_backend.h"
#include "media/format_offer.h"

#include <optional>
#include <vector>

namespace zc {

struct DecoderChoice {
  std::vector<DecoderBackend> decoders;  ///< to be tried in this order
  bool on_device = false;                ///< pictures of hardware stay in its memory, which the consumer reads
};

/// Which decoders a consumer's offer speaks for: hardware where the pictures can stay in its memory, then software.
/// `only`: this one, wherever its pictures have to go.
[[nodiscard]] DecoderChoice decoders_for(const FormatOffer& offer, std::optional<DecoderBackend> only = std::nullopt);

}  // namespace zc
