#pragma once

#include "base/toggles.h"

#include <span>

namespace zc {

/// Whether the daemon has started this process to run a session.
[[nodiscard]] bool is_session_process(std::span<const char* const> arguments);

/// Runs one session for the daemon at the other end of the channel; the process's exit code. Blocks signals in every
/// thread: the daemon ends it by word, so that files are completed.
[[nodiscard]] int run_session_process(const Toggles& toggles);

}  // namespace zc
