#pragma once

#include "base/error.h"
#include "gpu/cuda/context.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace zc {

class VulkanBuffer;

/// How often what must not happen per frame has happened in CUDA. Any thread.
struct CudaCounters {
  std::atomic<std::uint64_t> imports = 0;  ///< of another API's memory
  std::atomic<std::uint64_t> uploads = 0;  ///< pictures copied from the host
};

/// Another API's device memory, imported into CUDA. Move-only. May die on any thread, also when the
/// device is lost.
class CudaMemory {
 public:
  CudaMemory() noexcept = default;
  CudaMemory(CudaMemory&& other) noexcept { swap(other); }
  CudaMemory& operator=(CudaMemory&& other) noexcept {
    CudaMemory dying(std::move(other));
    swap(dying);
    return *this;
  }
  CudaMemory(const CudaMemory&) = delete;
  CudaMemory& operator=(const CudaMemory&) = delete;
  ~CudaMemory();

  /// The memory of a VulkanBuffer::create_exportable() on the same GPU, all of it, which stays the buffer's to free but
  /// lives until both let go. Unsupported: the driver does not import memory, or not this.
  [[nodiscard]] static Result<CudaMemory> import(std::shared_ptr<const cuda::Context> context,
                                                 const VulkanBuffer& buffer);

  [[nodiscard]] CUdeviceptr address() const noexcept { return address_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  void swap(CudaMemory& other) noexcept;

  std::shared_ptr<const cuda::Context> context_;
  CUexternalMemory external_ = nullptr;
  CUdeviceptr address_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace zc
