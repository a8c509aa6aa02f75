#pragma once

#include "cli/options.h"

namespace zc {

/// `zerocast sources`: asks the desktop portal and PipeWire, at most a few seconds each. Returns the process's exit
/// code; a portal or daemon that is not there is part of the answer, no failure.
[[nodiscard]] int run_sources(const SourcesOptions& options);

}  // namespace zc
