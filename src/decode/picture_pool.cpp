#include "decode/picture_pool.h"

#include <algorithm>
#include <utility>

namespace zc {

void PicturePool::give_back(void* pool, void* slot) noexcept {
  auto& one = *static_cast<Slot*>(slot);
  one.picture.reset();
  one.lent.store(false, std::memory_order_release);
  auto& self = *static_cast<PicturePool*>(pool);
  self.lent_.fetch_sub(1, std::memory_order_acq_rel);
  self.changes_.fetch_add(1, std::memory_order_release);
  self.changes_.notify_all();
}

void PicturePool::wait_until_below(std::size_t count, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    changes_.fetch_add(1, std::memory_order_release);
    changes_.notify_all();
  });
  while (!stop.stop_requested()) {
    const std::uint32_t seen = changes_.load(std::memory_order_acquire);
    if (lent() < count || stop.stop_requested()) return;
    changes_.wait(seen, std::memory_order_acquire);
  }
}

Result<BufferLease> PicturePool::lend(AvFramePtr picture) {
  auto* const slot =
      std::ranges::find_if(slots_, [](const Slot& one) { return !one.lent.load(std::memory_order_acquire); });
  if (slot == slots_.end()) return fail(ErrorKind::Busy, "hand out a decoded picture", "all are in use");
  slot->picture = std::move(picture);
  slot->lent.store(true, std::memory_order_relaxed);
  lent_.fetch_add(1, std::memory_order_acq_rel);
  return BufferLease(shared_from_this(), slot, &give_back);
}

}  // namespace zc
