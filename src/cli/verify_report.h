#pragma once

#include "verify/verify.h"

#include <string>

namespace zc {

/// What `zerocast verify` prints for a person: what the stream is, what is in it, and the verdict last.
[[nodiscard]] std::string verify_text(const verify::VerifyReport& report);

/// The same as one JSON object on one line: name, sound, faults [{kind, count, text}], allowed, container, codec,
/// profile, level, width, height, pixel_format, bit_depth, colour {matrix, range, primaries, transfer}, hdr {mastering,
/// light}, decoder {backend, name, refused}, packets, bytes, frames, keyframes, decode_errors, corrupt_packets,
/// numbered, illegible, distinct, duplicates, out_of_order, dropped, missing [[first, last]], first_number,
/// last_number, times_not_rising, gaps, longest_gap_s, seconds, fps, constant_rate, time_error_ms, quality {pictures,
/// exact, below, psnr, ssim}, latency_ms {pictures, p50, p95, max}. What was not found out is null.
[[nodiscard]] std::string verify_json(const verify::VerifyReport& report);

}  // namespace zc
