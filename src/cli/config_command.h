#pragma once

#include "base/toggles.h"
#include "cli/options.h"

namespace zc {

/// `zerocast config`. Returns the exit code.
[[nodiscard]] int run_config(const ConfigOptions& options, const Toggles& toggles);

}  // namespace zc
