// H.264 pictures without any compression: the packed headers that the application wrote, and every macroblock as I_PCM.
#pragma once

#include "softva/driver.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace zc::softva {

/// One picture's stream: what is packed, in its order, with the slice's macroblocks behind its header. nullopt: the
/// parameters ask for what this encoder has not (fields, several slices, B slices, other tables of contexts).
std::optional<std::vector<std::uint8_t>> encode_h264(const Picture& picture, const EncodeState& state);

}  // namespace zc::softva
