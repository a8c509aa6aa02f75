#pragma once

#include "base/toggles.h"
#include "cli/options.h"

namespace zc {

/// `zerocast verify`. SIGINT, SIGTERM and SIGHUP are blocked in every thread when this is called and end the reading.
/// Returns the process's exit code: Faults when the stream has some; errors have been reported on stderr.
[[nodiscard]] int run_verify(const VerifyCommandOptions& options, const Toggles& toggles);

}  // namespace zc
