#include "gpu/cuda/pinned_pool.h"

extern "C" {
#include <libavutil/buffer.h>
}

#include <atomic>
#include <cstdint>
#include <utility>

namespace zc::cuda {
namespace {

/// What the pool's callbacks share; dies with the pool's last buffer.
struct Memory {
  std::shared_ptr<const Context> context;
  std::size_t limit;
  std::atomic<std::size_t> made{0};
};

void free_buffer(void* opaque, std::uint8_t* host) {
  auto& memory = *static_cast<Memory*>(opaque);
  if (const auto current = CurrentContext::push(*memory.context)) {
    static_cast<void>(memory.context->driver().more().mem_free_host(host));
  }
  memory.made.fetch_sub(1, std::memory_order_relaxed);
}

AVBufferRef* make_buffer(void* opaque, decltype(AVBufferRef::size) bytes) {
  auto& memory = *static_cast<Memory*>(opaque);
  if (memory.made.fetch_add(1, std::memory_order_relaxed) < memory.limit) {
    void* host = nullptr;
    const auto current = CurrentContext::push(*memory.context);
    const bool allocated = current && memory.context->driver().more().mem_host_alloc(&host, bytes, 0) == CUDA_SUCCESS;
    AVBufferRef* buffer =
        allocated ? av_buffer_create(static_cast<std::uint8_t*>(host), bytes, free_buffer, opaque, 0) : nullptr;
    if (buffer != nullptr) return buffer;
    if (allocated) static_cast<void>(memory.context->driver().more().mem_free_host(host));
  }
  memory.made.fetch_sub(1, std::memory_order_relaxed);
  return nullptr;
}

void free_memory(void* opaque) { delete static_cast<Memory*>(opaque); }

}  // namespace

void PinnedPool::Free::operator()(AVBufferPool* pool) const noexcept { av_buffer_pool_uninit(&pool); }

Result<PinnedPool> PinnedPool::create(std::shared_ptr<const Context> context, std::size_t bytes, std::size_t limit) {
  constexpr const char* kOperation = "make page-locked memory";
  const MoreFunctions& functions = context->driver().more();
  if (functions.mem_host_alloc == nullptr || functions.mem_free_host == nullptr) {
    return fail(ErrorKind::Unsupported, kOperation, "the driver has none");
  }
  auto memory = std::make_unique<Memory>(std::move(context), limit);
  AVBufferPool* pool = av_buffer_pool_init2(bytes, memory.get(), make_buffer, free_memory);
  if (pool == nullptr) return fail(ErrorKind::Internal, kOperation, "out of memory");
  [[maybe_unused]] auto* const owned = memory.release();  // by the pool
  return PinnedPool(pool);
}

Result<AvBufferPtr> PinnedPool::take() {
  AvBufferPtr buffer(av_buffer_pool_get(pool_.get()));
  if (!buffer) return fail(ErrorKind::Busy, "make page-locked memory", "all of it is in use");
  return buffer;
}

}  // namespace zc::cuda
