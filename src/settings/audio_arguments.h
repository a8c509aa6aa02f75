#pragma once

#include "settings/argument.h"
#include "settings/record_arguments.h"

#include <string_view>
#include <vector>

namespace zc {

/// What is heard, and how it is coded.
[[nodiscard]] std::vector<ArgumentRow<RecordWords>> audio_arguments();

/// "SOURCE[,volume=-6dB][,track=2]".
[[nodiscard]] Result<AudioInputOptions> audio_value(std::string_view option, std::string_view text);
/// "-6dB", from -60 to 20: dB.
[[nodiscard]] Result<double> volume_value(std::string_view option, std::string_view text);
/// dB as a factor.
[[nodiscard]] float gain_of(double decibels);

}  // namespace zc
