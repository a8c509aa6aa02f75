#pragma once

#include "base/error.h"
#include "media/colour.h"

namespace zc {

/// Whether pictures of one transfer function can be recorded as having the other. PQ becomes SDR by tone mapping; HLG
/// does not, and SDR becomes no HDR: a label that is not true makes every player show something else. Invalid, naming
/// what would do.
[[nodiscard]] Result<void> check_transfer(TransferFunction source, TransferFunction coded);

}  // namespace zc
