#pragma once

#include "base/error.h"
#include "media/buffer_lease.h"
#include "media/surface.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>

namespace zc {

/// Decoded pictures that somebody reads: each is kept until its lease dies. One thread lends; leases die on any.
class PicturePool : public std::enable_shared_from_this<PicturePool> {
 public:
  static constexpr std::size_t kSlots = 16;

  /// Keeps `picture`, which its lease keeps readable. Busy: as many as there is room for are read.
  [[nodiscard]] Result<BufferLease> lend(AvFramePtr picture);
  /// Returns when fewer than `count` are read, or `stop` is requested.
  void wait_until_below(std::size_t count, const std::stop_token& stop);
  /// Pictures that are read now.
  [[nodiscard]] std::size_t lent() const { return lent_.load(std::memory_order_acquire); }

 private:
  struct Slot {
    AvFramePtr picture;
    std::atomic<bool> lent = false;
  };
  static void give_back(void* pool, void* slot) noexcept;

  std::array<Slot, kSlots> slots_;
  std::atomic<std::size_t> lent_ = 0;
  std::atomic<std::uint32_t> changes_ = 0;  ///< to wait for
};

}  // namespace zc
