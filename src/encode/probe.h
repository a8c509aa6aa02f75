// What this machine can encode, found out by doing it.
#pragma once

#include "encode/encoder_table.h"
#include "encode/settings.h"

#include <string>
#include <vector>

namespace zc {

struct EncoderReport {
  const EncoderRow* row;
  bool usable = false;
  std::string reason;  ///< why not; or, where it is usable, what about it could not be checked; else empty
};

/// Tries every row of the table: opens it, encodes a picture of this size, depth and chroma, and decodes that to see
/// that it is a keyframe and carries the size, depth and colour description asked for. Takes some 100 ms per row.
/// Reports rows in the table's order.
[[nodiscard]] std::vector<EncoderReport> probe_encoders(Size size, unsigned bit_depth, Chroma chroma);
/// One row of them.
[[nodiscard]] EncoderReport probe_encoder(const EncoderRow& row, Size size, unsigned bit_depth, Chroma chroma);

}  // namespace zc
