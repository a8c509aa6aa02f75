#pragma once

#include "base/toggles.h"
#include "cli/command_table.h"
#include "cli/options.h"

#include <memory>

namespace zc {

[[nodiscard]] std::unique_ptr<Command> make_remux_command();

/// `zerocast remux`. SIGINT, SIGTERM and SIGHUP are blocked in every thread when this is called and end the copying.
/// Returns the process's exit code; what was left out has been told on stderr, and errors.
[[nodiscard]] int run_remux(const RemuxOptions& options, const Toggles& toggles);

}  // namespace zc
