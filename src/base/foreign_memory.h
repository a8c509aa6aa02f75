#pragma once

#include "base/error.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace zc {

/// A read-only view of a file that belongs to another process, which may cut it short while it is read: the kernel then
/// raises SIGBUS, and the process would die. Here what is lost reads as zeros, and torn() says so. Move-only; any
/// thread may read it.
///
/// The first view takes the process's SIGBUS; one raised by other memory goes to whom it went before.
class ForeignMemory {
 public:
  ForeignMemory() noexcept = default;
  /// `offset` is on a page. Invalid: more views at a time than anybody needs. Otherwise mmap(2)'s errors.
  [[nodiscard]] static Result<ForeignMemory> map(int fd, std::uint64_t offset, std::size_t length);
  ForeignMemory(ForeignMemory&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), slot_(std::exchange(other.slot_, 0)) {}
  ForeignMemory& operator=(ForeignMemory&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(slot_, other.slot_);
    return *this;
  }
  ForeignMemory(const ForeignMemory&) = delete;
  ForeignMemory& operator=(const ForeignMemory&) = delete;
  ~ForeignMemory();

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  /// A read found a part of it lost. For good, also when the file grows again.
  [[nodiscard]] bool torn() const;
  /// How many views of this process have been torn so far: who reads one through a plain pointer compares before and
  /// after.
  [[nodiscard]] static std::uint64_t torn_so_far();

 private:
  std::span<const std::byte> bytes_;
  std::size_t slot_ = 0;
};

}  // namespace zc
