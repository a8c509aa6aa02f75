#pragma once

#include "base/clock.h"
#include "capture/buffer_meta.h"
#include "capture/negotiation.h"
#include "capture/producer_clock.h"
#include "capture/sequence_order.h"
#include "capture/source.h"
#include "capture/stream_buffers.h"
#include "media/frame.h"

#include <atomic>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

struct pw_buffer;

namespace zc {

/// SourceStats that any thread may read while the PipeWire thread counts.
struct StreamCounters {
  std::atomic<std::uint64_t> delivered = 0;
  std::atomic<std::uint64_t> cursor_updates = 0;
  std::atomic<std::uint64_t> skipped = 0;
  std::atomic<std::uint64_t> corrupt = 0;
  std::atomic<std::uint64_t> bad_pts = 0;

  static void add_one(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] SourceStats read() const;
};

/// Turns dequeued buffers into frames, in the order the producer made them. PipeWire thread only; allocates only when
/// the pointer changes its shape.
class FrameReader {
 public:
  FrameReader(StreamBuffers& buffers, StreamCounters& counters) : buffers_(buffers), counters_(counters) {}

  /// A new agreement: what came before says nothing about the next picture.
  void set_format(const NegotiatedFormat& format);
  [[nodiscard]] const NegotiatedFormat& format() const { return format_; }

  /// nullopt: neither a picture nor news of the pointer, or what came before was newer. When the frame has a picture,
  /// it has the buffer's lease; else the buffer can go back at once.
  [[nodiscard]] std::optional<Frame> read(pw_buffer* buffer, Nanoseconds arrival);

 private:
  void note_refusal(std::string_view why);
  /// The picture and when it may be read.
  [[nodiscard]] std::expected<StreamBuffers::Image, std::string_view> readable(pw_buffer* buffer,
                                                                               SyncPoint& acquire) const;

  StreamBuffers& buffers_;
  StreamCounters& counters_;
  NegotiatedFormat format_;
  ProducerClock clock_;
  CursorTracker cursor_;
  std::optional<CursorState> last_cursor_;
  bool damage_unknown_ = true;   ///< a picture was lost since the last one delivered, or there was none yet
  SequenceOrder order_;          ///< of all buffers
  SequenceOrder picture_order_;  ///< of those with a picture
  std::string_view last_refusal_;
};

}  // namespace zc
