#include "capture/lease_desk.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

namespace zc {

Result<std::shared_ptr<LeaseDesk>> LeaseDesk::create() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno(errno, "create an eventfd");
  return std::shared_ptr<LeaseDesk>(new LeaseDesk(std::move(event)));
}

BufferLease LeaseDesk::lend(const std::shared_ptr<LeaseDesk>& desk, std::size_t slot, ReleasePoint release) {
  desk->releases_.at(slot) = std::move(release);
  return {desk, reinterpret_cast<void*>(slot), &LeaseDesk::give_back};  // NOLINT(performance-no-int-to-ptr): a token
}

void LeaseDesk::give_back(void* desk, void* token) noexcept {
  auto& self = *static_cast<LeaseDesk*>(desk);
  const auto slot = reinterpret_cast<std::size_t>(token);
  self.releases_[slot].reset();  // before the buffer itself goes back
  const std::uint64_t bit = std::uint64_t{1} << (slot % kBits);
  // Whoever finds the word empty wakes the collector; it empties the word only after it has cleared the event, so a
  // later return cannot be missed.
  if (self.words_[slot / kBits].fetch_or(bit, std::memory_order_acq_rel) == 0) {
    ::eventfd_write(self.event_.get(), 1);
  }
}

void LeaseDesk::clear_event() noexcept {
  eventfd_t count = 0;
  ::eventfd_read(event_.get(), &count);
}

}  // namespace zc
