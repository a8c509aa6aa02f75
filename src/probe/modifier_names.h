// DRM format modifiers in words.
#pragma once

#include "probe/report.h"

#include <cstdint>
#include <string>

namespace zc::probe {

/// "LINEAR", "NVIDIA_BLOCK_LINEAR_2D,HEIGHT=4,...": vendor and layout as libdrm decodes them; "" for unknown ones.
[[nodiscard]] std::string modifier_name(std::uint64_t modifier);
[[nodiscard]] ModifierFacts modifier_facts(std::uint64_t modifier);

}  // namespace zc::probe
