#include "session/transfer_check.h"

#include "media/transfer.h"

#include <fmt/format.h>

namespace zc {

Result<void> check_transfer(TransferFunction source, TransferFunction coded) {
  if (source == coded || (!is_hdr(source) && !is_hdr(coded))) return {};
  if (source == TransferFunction::PQ && !is_hdr(coded)) return {};  // tone-mapped: zerocopy/tone_map.h
  if (is_hdr(source)) {
    return fail(
        ErrorKind::Invalid, "colour",
        fmt::format("the source's pictures are HDR ({0}) and can be recorded with --colour bt2100-{0} --bit-depth 10 "
                    "only",
                    name(source)));
  }
  return fail(
      ErrorKind::Invalid, "colour",
      fmt::format("the source's pictures are SDR (transfer function {}) and cannot be recorded as {}; valid are "
                  "--colour bt709, bt601, bt2020 and --transfer bt709, srgb, bt2020-10",
                  name(source), name(coded)));
}

}  // namespace zc
