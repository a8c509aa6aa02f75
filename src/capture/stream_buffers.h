#pragma once

#include "base/error.h"
#include "capture/negotiation.h"
#include "capture/plane_layout.h"
#include "capture/return_queue.h"
#include "capture/shared_mapping.h"
#include "media/frame.h"
#include "media/timeline.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <variant>

struct pw_buffer;
struct spa_buffer;
struct spa_data;

namespace zc {

/// The buffers of one stream: their memory is mapped (or wrapped as Dmabuf) once, when PipeWire announces them, and
/// lent out frame by frame. PipeWire thread only; the leases may die anywhere.
class StreamBuffers {
 public:
  /// `timelines` null: no explicit synchronisation.
  static Result<std::unique_ptr<StreamBuffers>> create(std::shared_ptr<TimelineDevice> timelines = nullptr);

  /// add_buffer and remove_buffer of pw_stream. A buffer whose memory cannot be used is kept, and each frame in it
  /// refused: the producer may do better with the others. A slot whose lease still lives is not used again before.
  void add(pw_buffer* buffer);
  void remove(pw_buffer* buffer);
  /// Whether PipeWire says what its pixels are in.
  [[nodiscard]] static bool has_memory(const pw_buffer& buffer);

  using Image = std::variant<HostImage, std::shared_ptr<const Dmabuf>, CodedImage>;
  /// The picture in a dequeued buffer; the error is a static text.
  [[nodiscard]] std::expected<Image, std::string_view> image(pw_buffer* buffer, const NegotiatedFormat& format);

  /// When its picture may be read; empty without explicit synchronisation. The error is a static text.
  [[nodiscard]] std::expected<SyncPoint, std::string_view> acquire_point(pw_buffer* buffer) const;

  /// Lends a dequeued buffer that image() accepted. Its release point is signalled when the lease dies.
  [[nodiscard]] BufferLease lend(pw_buffer* buffer);
  /// Buffers that are not lent.
  [[nodiscard]] std::uint32_t spare() const { return spare_; }
  /// Before a dequeued buffer goes back that was not lent: signals its release point.
  void pass(pw_buffer* buffer);
  /// Signals the release points of pictures that got lost on the way here, which nobody else ever will: those that
  /// stood the same at the last call, too. To be called when no dequeued buffer waits, and seldom.
  void release_lost();

  /// As ReturnQueue's.
  [[nodiscard]] int event_fd() const { return queue_->event_fd(); }
  void clear_event() { queue_->clear_event(); }
  /// Calls `requeue(pw_buffer*)` for each buffer whose lease has died, if the buffer is still there.
  template <class Requeue>
  void collect(Requeue&& requeue) {
    queue_->collect([&](std::size_t index) {
      Slot& slot = slots_.at(index);
      slot.lent = false;
      if (slot.buffer == nullptr) return;
      set_spare(spare_ + 1);
      requeue(slot.buffer);
    });
  }

 private:
  /// The mapped blocks of one buffer; null where a block is no shared memory or cannot be mapped.
  using Memory = std::array<std::shared_ptr<const SharedMapping>, 3>;
  struct Slot {
    pw_buffer* buffer = nullptr;
    bool lent = false;
    std::shared_ptr<const Memory> memory;  ///< what HostImage::mapping holds on to
    std::shared_ptr<const Dmabuf> dmabuf;
    PlaneLayouts dmabuf_layouts;  ///< what `dmabuf` was made from
    std::shared_ptr<Timeline> acquire, release;
    std::uint64_t promised = 0;  ///< the last release point that a lease or pass() took care of
    std::uint64_t waiting = 0;   ///< the one that nobody had taken care of at the last release_lost()
  };

  StreamBuffers(std::shared_ptr<ReturnQueue> queue, std::shared_ptr<TimelineDevice> timelines)
      : queue_(std::move(queue)), timelines_(std::move(timelines)) {}
  void open_timelines(const spa_buffer& buffer, Slot& slot) const;
  void set_spare(std::uint32_t spare) { queue_->set_spare(spare_ = spare); }
  [[nodiscard]] static ReleasePoint release_point(const pw_buffer& buffer, Slot& slot);
  [[nodiscard]] static Slot* slot_of(pw_buffer* buffer);
  static std::expected<Image, std::string_view> host_image(Slot& slot, std::span<const ChunkView> chunks,
                                                           const NegotiatedFormat& format);
  static std::expected<Image, std::string_view> coded_image(const Slot& slot, const ChunkView& chunk,
                                                            const NegotiatedFormat& format);
  static std::expected<Image, std::string_view> dmabuf_image(Slot& slot, std::span<const spa_data> blocks,
                                                             std::span<const ChunkView> chunks,
                                                             const NegotiatedFormat& format);

  std::shared_ptr<ReturnQueue> queue_;
  std::shared_ptr<TimelineDevice> timelines_;
  std::array<Slot, ReturnQueue::kSlots> slots_;
  std::uint32_t spare_ = 0;
};

/// A chunk's fields, read once from the shared memory. `data.chunk` may be null: all zero.
[[nodiscard]] ChunkView read_chunk(const spa_data& data);

}  // namespace zc
