// The process's own words on stdout and stderr.
#pragma once

#include "base/error.h"
#include "cli/exit_codes.h"

#include <string_view>

namespace zc {

/// Writes all of `text` to stdout. Output when that is impossible (a closed pipe, a full disk), after a line on stderr.
[[nodiscard]] ExitCode print_out(std::string_view text);

/// "zerocast: open out.mkv: Permission denied" on stderr; the exit code for it.
[[nodiscard]] ExitCode report_error(const Error& error, Stage stage);

/// Text on stderr; one that cannot be written to is no failure.
void say(std::string_view text);

/// "zerocast: warning: ..." on stderr.
void report_warning(std::string_view text);

}  // namespace zc
