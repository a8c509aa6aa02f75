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

/// Invalid: a file's sound where no file is the source; unpaced, any other sound.
[[nodiscard]] Result<void> check_audio_sources(const RecordOptions& options);
/// The codec that every output takes, once these are known; where others may be added, or a replay is saved, all do.
/// Invalid, Unsupported: --audio none beside another source; an output does not take the one that was asked for.
[[nodiscard]] Result<void> choose_audio_codec(RecordWords& words);

}  // namespace zc
