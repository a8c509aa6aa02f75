#pragma once

#include "base/error.h"
#include "media/colour.h"

namespace zc {

/// Whether pictures of one transfer function may be recorded as having the other: there is no tone mapping, and a label
/// that is not true makes every player show something else. Invalid, naming what would do.
[[nodiscard]] Result<void> check_transfer(TransferFunction source, TransferFunction coded);

}  // namespace zc
