#include "cli/daemon_command.h"

#include "base/install_paths.h"
#include "cli/exit_codes.h"
#include "cli/report.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

namespace zc {

int run_daemon() {
  auto program = find_program(daemon_program(), zerocast_program());
  if (!program) return to_int(report_error(program.error(), Stage::Arguments));
  const std::array<char*, 2> words{program->data(), nullptr};
  ::execv(program->c_str(), words.data());
  return to_int(report_error(fail_errno(errno, "start " + *program).error(), Stage::Arguments));
}

}  // namespace zc
