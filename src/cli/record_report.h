#pragma once

#include "cli/exit_codes.h"
#include "cli/status_line.h"
#include "session/recording.h"
#include "session/report_json.h"

#include <optional>
#include <string>
#include <utility>

namespace zc {

/// The closing report of a recording for a person: what was written, at which rate, what was lost and what it cost.
[[nodiscard]] std::string report_text(const RecordingReport& report);

/// What a recording that ended like this makes the process say, and the error to report, if there is one. The first
/// output that failed decides over an otherwise good end.
[[nodiscard]] std::pair<ExitCode, std::optional<Error>> recording_exit(const RecordingReport& report);
/// The same for a recording that did not start.
[[nodiscard]] ExitCode failure_exit(const Failure& failure);

/// What happened between two moments, for the status line.
[[nodiscard]] StatusSnapshot make_snapshot(const RecordingStatus& now, const RecordingStatus& before);

}  // namespace zc
