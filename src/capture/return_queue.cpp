#include "capture/return_queue.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

namespace zc {

Result<std::shared_ptr<ReturnQueue>> ReturnQueue::create() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno(errno, "create an eventfd");
  return std::shared_ptr<ReturnQueue>(new ReturnQueue(std::move(event)));
}

BufferLease ReturnQueue::lend(const std::shared_ptr<ReturnQueue>& queue, std::size_t slot, ReleasePoint release) {
  queue->releases_.at(slot) = std::move(release);
  return {queue, reinterpret_cast<void*>(slot), &ReturnQueue::give_back};  // NOLINT(performance-no-int-to-ptr): a token
}

void ReturnQueue::give_back(void* queue, void* token) noexcept {
  auto& self = *static_cast<ReturnQueue*>(queue);
  const auto slot = reinterpret_cast<std::size_t>(token);
  self.releases_[slot].reset();  // before the buffer itself goes back
  const std::uint64_t bit = std::uint64_t{1} << (slot % kBits);
  // What the last collect() did not see comes after it, and so sees how many were spare then.
  self.words_[slot / kBits].fetch_or(bit, std::memory_order_acq_rel);
  if (self.spare_.load(std::memory_order_relaxed) < kEnough) ::eventfd_write(self.event_.get(), 1);
}

void ReturnQueue::clear_event() noexcept {
  eventfd_t count = 0;
  ::eventfd_read(event_.get(), &count);
}

}  // namespace zc
