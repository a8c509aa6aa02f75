#pragma once

#include "base/toggles.h"
#include "cli/command_table.h"
#include "cli/options.h"

#include <memory>

namespace zc {

[[nodiscard]] std::unique_ptr<Command> make_snapshot_command();

/// `zerocast snapshot`, before any thread has started. SIGINT, SIGTERM and SIGHUP end the wait for a source's picture.
/// Returns the process's exit code; errors have been reported on stderr.
[[nodiscard]] int run_snapshot(const SnapshotOptions& options, const Toggles& toggles);

}  // namespace zc
