// The commands that drive the daemon. Each returns the process's exit code; errors have been reported on stderr.
#pragma once

#include "cli/daemon_options.h"

namespace zc {

[[nodiscard]] int run_start(const StartOptions& options);
[[nodiscard]] int run_status(const StatusOptions& options);
[[nodiscard]] int run_action(const ActionOptions& options);

}  // namespace zc
