#pragma once

#include "base/toggles.h"
#include "cli/options.h"

namespace zc {

/// `zerocast encoders`: tries every encoder. Returns the process's exit code: NoEncoder when none works.
[[nodiscard]] int run_encoders(const EncodersOptions& options, const Toggles& toggles);

}  // namespace zc
