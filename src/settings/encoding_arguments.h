#pragma once

#include "settings/argument.h"
#include "settings/record_arguments.h"

#include <vector>

namespace zc {

/// Everything about the encoder: first what most people set, then what most never touch.
[[nodiscard]] std::vector<ArgumentRow<RecordWords>> encoding_arguments(bool live);

}  // namespace zc
