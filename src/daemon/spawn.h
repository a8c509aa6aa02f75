#pragma once

#include "base/error.h"

#include <sys/types.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace zc::daemon {

/// Starts `program` (a path; no shell, no search) with `arguments`. It gets /dev/null as stdin, our stderr, of `fds`
/// each first one as the second number, and nothing else of ours; the signals are as at the start of a process.
[[nodiscard]] Result<pid_t> spawn(const std::string& program, const std::vector<std::string>& arguments,
                                  std::span<const std::pair<int, int>> fds);

}  // namespace zc::daemon
