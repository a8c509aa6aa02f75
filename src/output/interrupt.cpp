#include "output/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace zc {

using std::chrono::milliseconds;

Result<std::unique_ptr<Interrupt>> Interrupt::create() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno(errno, "make an eventfd");
  return std::unique_ptr<Interrupt>(new Interrupt(std::move(event)));
}

void Interrupt::set() noexcept {
  set_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the eventfd is readable as it should be.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

Interrupt::Wait Interrupt::wait(int fd, short events, std::optional<milliseconds> timeout) const noexcept {
  const auto deadline = std::chrono::steady_clock::now() + timeout.value_or(milliseconds{0});
  while (true) {
    int limit_ms = -1;
    if (is_set()) {
      limit_ms = 0;
    } else if (timeout) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
      limit_ms = static_cast<int>(std::clamp<milliseconds::rep>(left.count(), 0, 60'000));
    }
    std::array<pollfd, 2> fds{pollfd{fd, events, 0}, pollfd{event_.get(), POLLIN, 0}};
    const int ready = ::poll(fds.data(), fds.size(), limit_ms);
    if (ready < 0 && errno != EINTR) return Wait::Failed;
    if (ready > 0 && fds[0].revents != 0) return Wait::Ready;
    if (is_set()) return Wait::Interrupted;
    if (timeout && std::chrono::steady_clock::now() >= deadline) return Wait::TimedOut;
  }
}

bool Interrupt::sleep(milliseconds time) const noexcept {
  return wait(-1, 0, time) == Wait::Interrupted;  // poll() ignores a negative fd
}

}  // namespace zc
