#pragma once

#include "base/toggles.h"
#include "settings/record_options.h"

namespace zc {

/// `zerocast record` and `zerocast stream`: runs in the foreground until the duration is over, the source ends, or
/// SIGINT, SIGTERM or SIGHUP arrives. These are blocked in every thread when this is called, for a signalfd.
/// Returns the process's exit code; errors have been reported on stderr.
[[nodiscard]] int run_record(RecordOptions options, const Toggles& toggles);

}  // namespace zc
