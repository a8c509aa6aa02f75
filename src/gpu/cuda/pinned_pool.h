// Host memory that a CUDA device copies to at full speed.
#pragma once

#include "base/error.h"
#include "gpu/cuda/context.h"
#include "media/packet.h"

#include <cstddef>
#include <memory>

struct AVBufferPool;

namespace zc::cuda {

/// Page-locked buffers of one size, made when first needed and given back to the system with the last of them and the
/// pool. Page-locked memory is taken from every other program for good, so there is a limit. Buffers may outlive the
/// pool and be let go on any thread.
class PinnedPool {
 public:
  /// Unsupported: this driver has no such memory.
  [[nodiscard]] static Result<PinnedPool> create(std::shared_ptr<const Context> context, std::size_t bytes,
                                                 std::size_t limit);
  /// A free buffer, with what its last user left in it. Busy: all are in use, or there is no memory for one more.
  [[nodiscard]] Result<AvBufferPtr> take();

 private:
  struct Free {
    void operator()(AVBufferPool* pool) const noexcept;
  };
  explicit PinnedPool(AVBufferPool* pool) : pool_(pool) {}
  std::unique_ptr<AVBufferPool, Free> pool_;
};

}  // namespace zc::cuda
