#pragma once

#include "base/error.h"

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace zc::test {

/// A child process that is ended with its object and dies with the thread that made it.
class ChildProcess {
 public:
  /// Runs argv[0] from PATH with the current environment; stdout and stderr go to `log`.
  [[nodiscard]] static Result<ChildProcess> start(const std::vector<std::string>& argv,
                                                  const std::filesystem::path& log);
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept {
    if (this != &other) {
      end();
      pid_ = std::exchange(other.pid_, -1);
      exit_code_ = other.exit_code_;
    }
    return *this;
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { end(); }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// False once it has ended by itself, which also reaps it.
  [[nodiscard]] bool running() noexcept;
  /// Of one that has ended by itself; -1 for any other.
  [[nodiscard]] int exit_code() const { return exit_code_; }
  /// SIGTERM, and SIGKILL to one that has not ended 2 s later; or SIGKILL at once. Waits until it is gone.
  void end(bool kill_at_once = false) noexcept;

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
  int exit_code_ = -1;
};

}  // namespace zc::test
