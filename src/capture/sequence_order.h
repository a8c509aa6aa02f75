#pragma once

#include "capture/buffer_meta.h"

#include <cstdint>
#include <optional>

namespace zc {

/// Where a buffer stands after the one before, by the header meta. PipeWire (1.4) loses a buffer when the consumer's
/// thread is late, and then can also hand over an older one after a newer one.
class SequenceOrder {
 public:
  enum class Place : std::uint8_t {
    Next,   ///< as far as anybody can tell
    Gap,    ///< buffers are missing before it
    Stale,  ///< older than the one before
  };

  /// More than any producer has buffers: a count that jumps back further began anew.
  static constexpr std::uint64_t kMaxStale = 64;

  [[nodiscard]] Place place(const HeaderMeta& header) {
    const bool older_time = last_ && (header.pts < 0 || last_->pts < 0 || header.pts < last_->pts);
    if (last_ && header.sequence < last_->sequence && last_->sequence - header.sequence <= kMaxStale && older_time) {
      return Place::Stale;
    }
    const bool gap = last_ && header.sequence > last_->sequence + 1;
    last_ = header;
    return gap ? Place::Gap : Place::Next;
  }

  void reset() { last_.reset(); }

 private:
  std::optional<HeaderMeta> last_;
};

}  // namespace zc
