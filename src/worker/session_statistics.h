#pragma once

#include "ipc/statistics.h"
#include "session/recording.h"

namespace zc {

/// The figures of a recording now. Rates are those since `before`, `seconds` ago; nullptr: there are none yet.
[[nodiscard]] Statistics make_statistics(const Recording& recording, const RecordingStatus& now,
                                         const RecordingStatus* before, double seconds);

}  // namespace zc
