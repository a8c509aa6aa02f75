#pragma once

#include "gpu/cuda/context.h"
#include "zerocopy/cuda/cuda_memory.h"
#include "zerocopy/target.h"

#include <memory>

namespace zc {

class VulkanDevice;

/// Surfaces in CUDA memory that NVENC takes as they are: Vulkan's memory on the same GPU, imported into CUDA once.
/// `counters` may be null.
[[nodiscard]] Result<std::unique_ptr<Target>> make_cuda_target(std::shared_ptr<VulkanDevice> vulkan,
                                                               std::shared_ptr<const cuda::Context> context,
                                                               const SurfaceFormat& format, std::size_t limit,
                                                               std::shared_ptr<CudaCounters> counters = nullptr);

}  // namespace zc
