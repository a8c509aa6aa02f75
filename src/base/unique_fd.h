#pragma once

#include "base/error.h"

#include <utility>

namespace zc {

/// Owns a file descriptor; closes it when it dies. Move-only; any thread may own it, one at a time.
class UniqueFd {
 public:
  UniqueFd() noexcept = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset(int fd = -1) noexcept;

  /// A second descriptor of the same open file (F_DUPFD_CLOEXEC).
  [[nodiscard]] static Result<UniqueFd> dup(int fd);
  [[nodiscard]] Result<UniqueFd> dup() const { return dup(fd_); }

 private:
  int fd_ = -1;
};

}  // namespace zc
