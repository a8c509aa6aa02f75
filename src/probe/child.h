// One step of the probe in a process of its own, so that a driver that crashes or hangs takes only that down.
#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <string>
#include <vector>

namespace zc::probe {

/// The descriptor on which a step writes its answer; stdout and stderr are the drivers' to talk on.
inline constexpr int kAnswerFd = 3;

/// How a child process ended and what it left.
struct ChildResult {
  enum class End : std::uint8_t {
    Exited,   ///< with `code`
    Crashed,  ///< by the signal `code`
    Hung,     ///< it was killed when its time was over
  };
  End end = End::Exited;
  int code = 0;
  std::string answer;  ///< all it wrote to kAnswerFd
  std::string log;     ///< the end of what it wrote to stdout and stderr

  /// "crashed with SIGSEGV", "did not end within 20 s", "exited with 3"; empty: exited with 0.
  [[nodiscard]] std::string trouble(Nanoseconds limit) const;
};

/// Runs `program` (a path) with `arguments` and waits for its end, at most `limit` and a second or two more for the
/// kernel to end it. It runs in a process group of its own, dies with the calling thread, gets /dev/null as stdin,
/// leaves no core file, and whatever it started in its group is killed at the end. Its signals are as at the start of a
/// process. Errors are the system's: no process, no pipe.
[[nodiscard]] Result<ChildResult> run_child(const std::string& program, const std::vector<std::string>& arguments,
                                            Nanoseconds limit);

}  // namespace zc::probe
