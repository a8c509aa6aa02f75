#pragma once

#include "cli/exit_codes.h"
#include "probe/report.h"

#include <string>

namespace zc {

/// What `zerocast zerocopy-probe` prints for a person: the verdict first, then what it rests on.
[[nodiscard]] std::string probe_text(const probe::ProbeReport& report);
/// Ok when a zero-copy route works, else NoZeroCopy.
[[nodiscard]] ExitCode probe_exit(const probe::ProbeReport& report);

}  // namespace zc
