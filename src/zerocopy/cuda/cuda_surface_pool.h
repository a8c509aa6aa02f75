#pragma once

#include "base/error.h"
#include "gpu/cuda/context.h"
#include "media/packet.h"
#include "media/surface.h"
#include "zerocopy/cuda/cuda_memory.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace zc {

/// Surfaces in CUDA memory, of one format, as AV_PIX_FMT_CUDA frames of one AVHWFramesContext whose AVBufferPool hands
/// out exactly these buffers, so that NVENC sees a small, stable set of addresses and registers each once. Memory is
/// allocated when first needed, up to a limit, and comes back when the last AVFrame that refers to it is freed, on
/// whichever thread. The pool may die before its surfaces. One worker thread makes every call.
class CudaSurfacePool {
 public:
  /// One piece of memory.
  struct Slot {
    VulkanBuffer buffer;
    CudaMemory memory;  ///< the same
  };
  /// A surface to be filled; free again when this dies.
  class Taken {
   public:
    [[nodiscard]] Slot& slot() const { return *slot_; }

   private:
    friend class CudaSurfacePool;
    Taken(AvBufferPtr reference, Slot& slot) : reference_(std::move(reference)), slot_(&slot) {}
    AvBufferPtr reference_;
    Slot* slot_;
  };

  /// `format` with memory Cuda and known colour. The memory is Vulkan's, imported into `context` of the same GPU.
  [[nodiscard]] static Result<std::unique_ptr<CudaSurfacePool>> create(const SurfaceFormat& format, std::size_t limit,
                                                                       std::shared_ptr<const cuda::Context> context,
                                                                       std::shared_ptr<VulkanDevice> vulkan,
                                                                       std::shared_ptr<CudaCounters> counters);
  CudaSurfacePool(const CudaSurfacePool&) = delete;
  CudaSurfacePool& operator=(const CudaSurfacePool&) = delete;
  ~CudaSurfacePool();

  [[nodiscard]] const SurfaceFormat& format() const { return format_; }
  /// Strides are multiples of the device's texture alignment (512 bytes), as FFmpeg lays its own CUDA frames out; the
  /// chroma planes follow at once, as NVENC computes their place from the first plane's.
  [[nodiscard]] const SurfaceLayout& layout() const { return layout_; }
  /// A free surface. Busy: all `limit` are referred to, or the device has no memory for one more. Else what the drivers
  /// said about the first one.
  [[nodiscard]] Result<Taken> take();
  /// The filled surface.
  [[nodiscard]] Result<Surface> publish(Taken taken);
  /// Never hands this one out again: a GPU may still write to it. It is freed with the pool.
  void retire(Taken taken);

 private:
  struct State;
  CudaSurfacePool(const SurfaceFormat& format, const SurfaceLayout& layout, AvBufferPtr frames,
                  std::shared_ptr<State> state);

  SurfaceFormat format_;
  SurfaceLayout layout_;
  AvBufferPtr frames_;  ///< AVHWFramesContext
  std::shared_ptr<State> state_;
  std::vector<AvBufferPtr> retired_;
};

/// Copies a picture of host memory, of the pool's format, into a slot's memory and waits for it. Lost: CUDA is gone.
[[nodiscard]] Result<void> upload(const cuda::Context& context, const Surface& picture, const SurfaceLayout& layout,
                                  const CudaSurfacePool::Slot& slot);

}  // namespace zc
