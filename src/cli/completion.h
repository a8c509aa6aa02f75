#pragma once

#include "cli/options.h"

#include <string>

namespace zc {

/// A shell's completion file for `zerocast`, made from the command line's definition.
[[nodiscard]] std::string completion_file(Shell shell);

}  // namespace zc
