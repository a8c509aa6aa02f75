#pragma once

#include "cli/options.h"
#include "encode/probe.h"

#include <span>
#include <string>

namespace zc {

/// A table for a person: which encoders work, and why each other one does not.
[[nodiscard]] std::string encoders_text(std::span<const EncoderReport> reports);
/// One JSON object on one line: what was tried {width, height, bit_depth, chroma} and encoders [{name, codec, backend,
/// description, usable, reason}].
[[nodiscard]] std::string encoders_json(const EncodersOptions& options, std::span<const EncoderReport> reports);

}  // namespace zc
