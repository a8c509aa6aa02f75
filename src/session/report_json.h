// What a recording's report says in figures, for people and for scripts.
#pragma once

#include "base/error.h"
#include "session/recording.h"

#include <optional>
#include <string>

namespace zc {

struct ReportFigures {
  double pictures_per_second = 0;  ///< new ones, no repeats
  // CPU time per captured picture in ms: all, and what is not the encoder's.
  double cpu_ms_per_picture = 0;
  double other_cpu_ms_per_picture = 0;
};
[[nodiscard]] ReportFigures report_figures(const RecordingReport& report);

/// Why it did not end as asked; nullopt: it did. The first output that failed decides over an otherwise good end.
[[nodiscard]] std::optional<Error> recording_error(const RecordingReport& report);
/// The first output that failed; nullptr: none.
[[nodiscard]] const OutputReport* failed_output(const RecordingReport& report);

/// One JSON object on one line: path, codec, encoder, width, height, frames, captured, repeated, dropped,
/// fps, duration_s, latency_ms {p50, p95, p99, max}, cpu_ms_per_frame, non_encoder_ms_per_frame (both per captured
/// picture), source_kind, source, route, rss_kib_start, rss_kib_end, bytes, end, outputs, error.
[[nodiscard]] std::string report_json(const RecordingReport& report);

}  // namespace zc
