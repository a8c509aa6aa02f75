#include "cli/report.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>

namespace zc {

ExitCode print_out(std::string_view text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (written) return ExitCode::Ok;
  return report_error(fail_errno(errno == 0 ? EIO : errno, "write to stdout").error(), Stage::Output);
}

ExitCode report_error(const Error& error, Stage stage) {
  say(fmt::format("zerocast: {}\n", error.message()));
  return exit_code(error, stage);
}

void say(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

void report_warning(std::string_view text) { say(fmt::format("zerocast: warning: {}\n", text)); }

}  // namespace zc
