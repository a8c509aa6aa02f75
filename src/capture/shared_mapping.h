#pragma once

#include "base/error.h"
#include "base/foreign_memory.h"
#include "base/unique_fd.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace zc {

/// A read-only view of a shared memory file, unmapped when the last holder (the buffer's slot, a frame's HostImage)
/// lets go. Any thread may read and release it.
class SharedMapping {
 public:
  /// Maps `length` bytes from `offset` (any, not only page-aligned) or, when `length` is 0 or reaches beyond the file's
  /// end, what there is. Invalid: the offset lies behind the end. The fd stays the caller's.
  [[nodiscard]] static Result<std::shared_ptr<const SharedMapping>> create(int fd, std::uint64_t offset,
                                                                           std::uint64_t length);
  SharedMapping(const SharedMapping&) = delete;
  SharedMapping& operator=(const SharedMapping&) = delete;
  ~SharedMapping() = default;

  /// From `offset` on.
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

  /// False once the file has become shorter than what is mapped, also for a moment in which it was read. A file sealed
  /// with F_SEAL_SHRINK cannot, as PipeWire's own are; others are asked anew on each call.
  [[nodiscard]] bool intact() const;

 private:
  SharedMapping() = default;

  ForeignMemory memory_;
  std::span<const std::byte> bytes_;
  std::uint64_t file_end_ = 0;  ///< the file's size that the mapping needs
  UniqueFd unsealed_;           ///< set when the file could shrink
};

}  // namespace zc
