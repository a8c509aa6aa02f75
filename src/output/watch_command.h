#pragma once

#include "output/output_spec.h"

#include <string>

namespace zc {

/// What somebody types who wants to watch a listener, or RTP with a description, for a shell; empty for other outputs.
/// A listener on every address is named by the one that this machine has towards others. "..." stands for a passphrase.
[[nodiscard]] std::string watch_command(const OutputSpec& spec);

}  // namespace zc
