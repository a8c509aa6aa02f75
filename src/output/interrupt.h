#pragma once

#include "base/error.h"
#include "base/unique_fd.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>

namespace zc {

/// Wakes a thread out of a wait on a file descriptor, once and for all. Any thread may call any method.
class Interrupt {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Interrupt>> create();

  void set() noexcept;
  [[nodiscard]] bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }

  enum class Wait : std::uint8_t { Ready, Interrupted, TimedOut, Failed };
  /// Waits until `fd` is ready for `events` (POLLIN, POLLOUT; errors and hang-ups count as ready). Once interrupted, an
  /// fd that is ready this moment still answers Ready, so that what needs no waiting can be finished. `timeout`
  /// nullopt: no limit. Failed leaves errno.
  [[nodiscard]] Wait wait(int fd, short events, std::optional<std::chrono::milliseconds> timeout) const noexcept;
  /// Waits for nothing but the interrupt; true when it came.
  [[nodiscard]] bool sleep(std::chrono::milliseconds time) const noexcept;

 private:
  explicit Interrupt(UniqueFd event) noexcept : event_(std::move(event)) {}

  UniqueFd event_;  ///< eventfd; readable for ever once set
  std::atomic<bool> set_ = false;
};

}  // namespace zc
