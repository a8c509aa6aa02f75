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
  static constexpr std::uint64_t kMostMissing = 1000;

  [[nodiscard]] Place place(const HeaderMeta& header) {
    const bool older_time = last_ && (header.pts < 0 || last_->pts < 0 || header.pts < last_->pts);
    if (last_ && header.sequence < last_->sequence && last_->sequence - header.sequence <= kMaxStale && older_time) {
      return Place::Stale;
    }
    missing_ = last_ && header.sequence > last_->sequence ? header.sequence - last_->sequence - 1 : 0;
    last_ = header;
    return missing_ != 0 ? Place::Gap : Place::Next;
  }

  /// Buffers that are missing before the last one that was not stale. Zero for more than anybody can lose at a time:
  /// the producer does not count then.
  [[nodiscard]] std::uint64_t missing() const { return missing_ <= kMostMissing ? missing_ : 0; }

  void reset() { last_.reset(); }

 private:
  std::optional<HeaderMeta> last_;
  std::uint64_t missing_ = 0;
};

}  // namespace zc
