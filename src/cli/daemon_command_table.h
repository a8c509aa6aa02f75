// The subcommands about the daemon: running it, and driving it.
#pragma once

#include "cli/command_table.h"

#include <memory>
#include <vector>

namespace zc {

[[nodiscard]] std::vector<std::unique_ptr<Command>> make_daemon_commands();

}  // namespace zc
