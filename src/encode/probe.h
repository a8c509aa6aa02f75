// What this machine can encode, found out by doing it.
#pragma once

#include "base/error.h"
#include "encode/encoder_chain.h"
#include "encode/encoder_table.h"
#include "encode/settings.h"

#include <string>
#include <vector>

namespace zc {

/// Opens the row with these settings, encodes two pictures in the memory that a stream's would lie in, and decodes them
/// to see that the first is a keyframe and carries the size, depth, chroma and colour description asked for. The value
/// is what could not be checked, or empty. Errors as open_ffmpeg_encoder(), and Unsupported for a stream that is not
/// what was asked for.
[[nodiscard]] Result<std::string> prove_encoder(const EncoderRow& row, const EncoderSettings& settings,
                                                const VideoParameters& video);

struct EncoderReport {
  const EncoderRow* row;
  bool usable = false;
  std::string reason;  ///< why not; or, where it is usable, what about it could not be checked; else empty
};

/// Proves every row of the table at this size, depth and chroma, with low latency at 30 pictures/s. Takes some 100 ms
/// per row; one whose driver hangs takes kOpenPatience. Reports rows in the table's order.
[[nodiscard]] std::vector<EncoderReport> probe_encoders(Size size, unsigned bit_depth, Chroma chroma);
/// One row of them, on this GPU; a driver that hangs is given up after `patience`.
[[nodiscard]] EncoderReport probe_encoder(const EncoderRow& row, Size size, unsigned bit_depth, Chroma chroma,
                                          Nanoseconds patience = kOpenPatience, const GpuChoice& gpu = {});

}  // namespace zc
