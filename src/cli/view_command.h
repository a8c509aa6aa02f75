#pragma once

#include "cli/command_table.h"
#include "cli/options.h"

#include <memory>

namespace zc {

/// `zerocast view`: a page that shows sessions in a browser.
[[nodiscard]] std::unique_ptr<Command> make_view_command();
/// Serves until a signal ends it, or prints a link. Returns the process's exit code.
[[nodiscard]] int run_view(const ViewOptions& options);

}  // namespace zc
