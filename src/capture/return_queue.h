#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "media/buffer_lease.h"
#include "media/timeline.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace zc {

/// Where leases come back to, from any thread, without a lock, a wait or an allocation: one bit per slot, and an
/// eventfd that wakes the PipeWire thread where the producer is short of buffers. A producer that has enough gets them
/// when its next picture comes. Kept alive by its leases, so one that dies after the stream is harmless.
class ReturnQueue {
 public:
  static constexpr std::size_t kSlots = 128;
  /// So many buffers are enough for a producer until its next picture: one is written to, one is on its way, and one.
  static constexpr std::uint32_t kEnough = 3;

  [[nodiscard]] static Result<std::shared_ptr<ReturnQueue>> create();

  /// Readable when the producer waits for what collect() would return; until clear_event(), which comes first.
  [[nodiscard]] int event_fd() const { return event_.get(); }
  void clear_event() noexcept;
  /// How many buffers are not lent from now on, those that wait for collect() being lent. PipeWire thread.
  void set_spare(std::uint32_t spare) { spare_.store(spare, std::memory_order_relaxed); }

  /// A lease on `slot` (below kSlots), which must not be lent already. `release` is signalled when the lease dies, on
  /// whichever thread, also after the stream's end. PipeWire thread.
  [[nodiscard]] static BufferLease lend(const std::shared_ptr<ReturnQueue>& queue, std::size_t slot,
                                        ReleasePoint release = {});

  /// Calls `returned(slot)` for every slot that came back since the last call. PipeWire thread.
  template <class Returned>
  void collect(Returned&& returned) {
    for (std::size_t word = 0; word < words_.size(); ++word) {
      std::uint64_t bits = words_[word].exchange(0, std::memory_order_acq_rel);
      for (; bits != 0; bits &= bits - 1) returned(word * kBits + static_cast<std::size_t>(std::countr_zero(bits)));
    }
  }

 private:
  static constexpr std::size_t kBits = 64;
  explicit ReturnQueue(UniqueFd event) : event_(std::move(event)) {}
  static void give_back(void* queue, void* token) noexcept;

  UniqueFd event_;
  std::atomic<std::uint32_t> spare_{0};
  std::array<std::atomic<std::uint64_t>, kSlots / kBits> words_{};
  std::array<ReleasePoint, kSlots> releases_;  ///< the lease's while it lives
};

}  // namespace zc
