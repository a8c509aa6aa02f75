#pragma once

#include "probe/report.h"

#include <string>

namespace zc {

/// What `zerocast zerocopy-probe` prints for a person: the verdict first, then what it rests on.
[[nodiscard]] std::string probe_text(const probe::ProbeReport& report);
/// Its exit code: 0 when a zero-copy route works, else 1.
[[nodiscard]] int probe_exit(const probe::ProbeReport& report);

}  // namespace zc
