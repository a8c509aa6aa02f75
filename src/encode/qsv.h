// Intel's encoders through libavcodec's Quick Sync wrapper, which takes pictures of host memory as they are.
#pragma once

#include "encode/encoder_table.h"
#include "encode/rate_control.h"

#include <array>

namespace zc {

/// Quick Sync's target usages by libavcodec's names, slower ones up to cautious loads of one engine.
inline constexpr std::array kQsvPresets = {
    NativePreset{"slow", 130, 0, 0},
    NativePreset{"medium", 520, 0, 0},
    NativePreset{"veryfast", kAnyLoad, 0, 0},
};
inline constexpr Size kQsvMinSize{128, 96};

void configure_qsv(const EncoderRequest& request, CodecPlan& plan, OptionList& options);

/// Unsupported where no render node belongs to an Intel card. Which one libavcodec's wrapper takes cannot be chosen: a
/// choice that binds has to be the only one.
[[nodiscard]] Result<void> qsv_available(const GpuChoice& gpu);

}  // namespace zc
