#pragma once

namespace zc {

/// `zerocast daemon`: becomes zerocast-daemon, a program of its own that stays small. Returns only when there is none,
/// with the process's exit code.
[[nodiscard]] int run_daemon();

}  // namespace zc
