#pragma once

#include "base/histogram.h"
#include "encode/encoder_table.h"

#include <atomic>
#include <cstdint>
#include <string_view>

namespace zc {

/// What a stream's encoding has done so far. Written by the encoder thread without locks, read by any thread.
struct EncodeMetrics {
  std::atomic<std::uint64_t> taken{0};   ///< pictures that the encoder was given, repeats included
  std::atomic<std::uint64_t> frames{0};  ///< coded pictures, likewise
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> keyframes{0};
  std::atomic<std::uint64_t> lost{0};          ///< pictures that a failed encoder or a lost device took with it
  std::atomic<std::uint64_t> ring_dropped{0};  ///< pictures that a full ring dropped
  std::atomic<std::uint64_t> reopens{0};       ///< of the same encoder, for a setting that it cannot change as it runs
  std::atomic<std::uint64_t> failovers{0};     ///< another encoder in the place of a failed one
  DurationHistogram latency;                   ///< producer's timestamp to packet; no repeats
  DurationHistogram encoding;                  ///< handed to the encoder to packet; no repeats
  std::atomic<const EncoderRow*> row{nullptr};

  /// The encoder at work ("h264_nvenc"): the label of all of these. Empty: none yet.
  [[nodiscard]] std::string_view encoder() const {
    const EncoderRow* at_work = row.load(std::memory_order_relaxed);
    return at_work == nullptr ? std::string_view() : at_work->name;
  }
};

}  // namespace zc
