#pragma once

#include "settings/argument.h"
#include "settings/record_arguments.h"

#include <optional>
#include <vector>

namespace zc {

/// Where it goes.
[[nodiscard]] std::vector<ArgumentRow<RecordWords>> output_arguments(bool live);

/// The codec that was asked for, by its name or by an encoder's.
[[nodiscard]] std::optional<Codec> wanted_codec(const EncoderSettings& settings);

/// Whether any of them goes to platforms, relays or the players of many: not as MPEG-TS.
[[nodiscard]] bool publishes(const RecordWords& words);

/// FILE or URL and every --tee. Invalid: what none of them can be, or what two cannot be together.
[[nodiscard]] Result<std::vector<OutputSpec>> parse_outputs(const RecordWords& words);

}  // namespace zc
