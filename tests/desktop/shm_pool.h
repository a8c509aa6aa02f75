// Shared memory that a compositor reads in place.
#pragma once

#include "base/error.h"
#include "media/geometry.h"
#include "wayland_ptr.h"

#include <cstddef>
#include <span>

namespace zc::desktop {

/// A memfd mapped here and handed to the compositor as a wl_shm_pool.
class ShmPool {
 public:
  /// `bytes` is not 0. ErrorKind::Busy when the system has no memory for it.
  static Result<ShmPool> create(wl_shm& shm, std::size_t bytes);

  /// The pool's memory; lives as long as the pool.
  [[nodiscard]] std::span<std::byte> bytes() const { return {memory_.get(), memory_.get_deleter().bytes}; }
  /// An XRGB8888 buffer over the rows of `stride_bytes` that start at `offset_bytes`; it may outlive the pool object.
  [[nodiscard]] Owned<wl_buffer> buffer(std::size_t offset_bytes, Size size, std::size_t stride_bytes) const;

 private:
  struct Unmap {
    std::size_t bytes = 0;
    void operator()(std::byte* memory) const noexcept;
  };
  using Memory = std::unique_ptr<std::byte, Unmap>;
  ShmPool(Memory memory, Owned<wl_shm_pool> pool) : memory_(std::move(memory)), pool_(std::move(pool)) {}

  Memory memory_;
  Owned<wl_shm_pool> pool_;
};

}  // namespace zc::desktop
