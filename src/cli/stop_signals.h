#pragma once

#include <csignal>

namespace zc {

/// One of the signals that end a command has come, and is blocked.
[[nodiscard]] inline bool stop_pending() {
  sigset_t pending;
  if (sigpending(&pending) != 0) return false;
  return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
         sigismember(&pending, SIGHUP) == 1;
}

}  // namespace zc
