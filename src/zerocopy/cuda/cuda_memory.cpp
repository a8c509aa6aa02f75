#include "zerocopy/cuda/cuda_memory.h"

#include "zerocopy/vulkan/vulkan_buffer.h"

#include <ffnvcodec/dynlink_loader.h>

#include <utility>

namespace zc {
namespace {

/// CUDA_EXTERNAL_MEMORY_DEDICATED of cuda.h, which ffnvcodec's header lacks: the memory holds one resource only, as
/// VulkanBuffer::create_exportable() makes it.
constexpr unsigned kDedicated = 1;

}  // namespace

void CudaMemory::swap(CudaMemory& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(external_, other.external_);
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
}

CudaMemory::~CudaMemory() {
  if (!context_) return;
  const auto current = cuda::CurrentContext::push(*context_);
  if (!current) return;  // the driver is gone, and the memory with it
  const CudaFunctions& api = context_->driver().api();
  // cuda.h: a mapped buffer of external memory is freed with cuMemFree(), before the memory is destroyed.
  if (address_ != 0) static_cast<void>(api.cuMemFree(address_));
  if (external_ != nullptr) static_cast<void>(api.cuDestroyExternalMemory(external_));
}

Result<CudaMemory> CudaMemory::import(std::shared_ptr<const cuda::Context> context, const VulkanBuffer& buffer) {
  const cuda::Driver& driver = context->driver();
  const CudaFunctions& api = driver.api();
  if (api.cuImportExternalMemory == nullptr || api.cuExternalMemoryGetMappedBuffer == nullptr ||
      api.cuDestroyExternalMemory == nullptr) {
    return fail(ErrorKind::Unsupported, "import GPU memory into CUDA", "the driver is older than CUDA 10");
  }
  auto fd = buffer.export_fd();
  if (!fd) return std::unexpected(std::move(fd.error()));
  const auto current = cuda::CurrentContext::push(*context);
  if (!current) return std::unexpected(current.error());
  CudaMemory self;
  CUDA_EXTERNAL_MEMORY_HANDLE_DESC handle{};
  handle.type = CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD;
  handle.handle.fd = fd->get();
  handle.size = buffer.allocation_bytes();
  handle.flags = kDedicated;
  if (auto ok = driver.check(api.cuImportExternalMemory(&self.external_, &handle), "import GPU memory into CUDA");
      !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  static_cast<void>(fd->release());  // the driver's, once the import has succeeded
  self.context_ = std::move(context);
  CUDA_EXTERNAL_MEMORY_BUFFER_DESC range{};
  range.size = buffer.bytes();
  if (auto ok = driver.check(api.cuExternalMemoryGetMappedBuffer(&self.address_, self.external_, &range),
                             "map GPU memory into CUDA");
      !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  self.bytes_ = buffer.bytes();
  return self;
}

}  // namespace zc
