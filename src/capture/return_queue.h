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
/// eventfd that wakes the PipeWire thread. Kept alive by its leases, so one that dies after the stream is harmless.
class ReturnQueue {
 public:
  static constexpr std::size_t kSlots = 128;

  [[nodiscard]] static Result<std::shared_ptr<ReturnQueue>> create();

  /// Readable while returns wait for collect().
  [[nodiscard]] int event_fd() const { return event_.get(); }

  /// A lease on `slot` (below kSlots), which must not be lent already. `release` is signalled when the lease dies, on
  /// whichever thread, also after the stream's end. PipeWire thread.
  [[nodiscard]] static BufferLease lend(const std::shared_ptr<ReturnQueue>& queue, std::size_t slot,
                                        ReleasePoint release = {});

  /// Calls `returned(slot)` for every slot that came back since the last call. PipeWire thread.
  template <class Returned>
  void collect(Returned&& returned) {
    clear_event();
    for (std::size_t word = 0; word < words_.size(); ++word) {
      std::uint64_t bits = words_[word].exchange(0, std::memory_order_acquire);
      for (; bits != 0; bits &= bits - 1) returned(word * kBits + static_cast<std::size_t>(std::countr_zero(bits)));
    }
  }

 private:
  static constexpr std::size_t kBits = 64;
  explicit ReturnQueue(UniqueFd event) : event_(std::move(event)) {}
  static void give_back(void* queue, void* token) noexcept;
  void clear_event() noexcept;

  UniqueFd event_;
  std::array<std::atomic<std::uint64_t>, kSlots / kBits> words_{};
  std::array<ReleasePoint, kSlots> releases_;  ///< the lease's while it lives
};

}  // namespace zc
