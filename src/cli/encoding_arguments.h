#pragma once

#include "cli/argument.h"
#include "cli/record_arguments.h"

#include <vector>

namespace zc {

/// Everything about the encoder: first what most people set, then what most never touch.
[[nodiscard]] std::vector<ArgumentRow<RecordWords>> encoding_arguments(bool live);

}  // namespace zc
