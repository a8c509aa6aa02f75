#include "cli/daemon_command.h"

#include "cli/exit_codes.h"
#include "cli/report.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

namespace zc {

int run_daemon() {
  // Beside this program, in a build tree; else where the installation has it, LIBEXEC/zerocast/ from BIN.
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  std::filesystem::path program;
  for (const char* place : {"zerocast-daemon", "../libexec/zerocast/zerocast-daemon"}) {
    program = (self.parent_path() / place).lexically_normal();
    std::string path = program.string();
    const std::array<char*, 2> words{path.data(), nullptr};
    ::execv(path.c_str(), words.data());
    if (errno != ENOENT) break;
  }
  return to_int(report_error(fail_errno(errno, "start " + program.string()).error(), Stage::Arguments));
}

}  // namespace zc
