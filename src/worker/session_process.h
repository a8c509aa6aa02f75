#pragma once

#include "base/toggles.h"

#include <optional>
#include <span>

namespace zc {

/// Runs one session for the daemon, which has started this process (worker_arguments.h), and returns the process's exit
/// code; nullopt: the command line is another one's. Signals are blocked in every thread when this is called.
[[nodiscard]] std::optional<int> run_session_process(std::span<const char* const> arguments, const Toggles& toggles);

}  // namespace zc
