// Pictures copied to where a GPU's passes read them: those in host memory, and a decoder's.
#pragma once

#include "base/error.h"
#include "gpu/cuda/context.h"
#include "media/frame.h"
#include "zerocopy/cpu/device_reader.h"
#include "zerocopy/cpu/dmabuf_mapper.h"
#include "zerocopy/cuda/cuda_memory.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

#include <cstddef>
#include <memory>

namespace zc {

/// A place for one picture after another in the GPU's memory, which grows when it has to. Move-only. May die on any
/// thread, after the last work that uses it.
struct PictureCopy {
  VulkanBuffer buffer;
  CudaMemory cuda;       ///< the same memory; empty unless the picture came from there
  SurfaceLayout layout;  ///< of the picture in it
};

/// Makes the copies; those from host memory are counted in VulkanCounters::uploaded_bytes. One thread; nothing that
/// reads the copy may be running.
class PictureCopier {
 public:
  /// `cuda`: the context of decoded pictures on the same GPU; null: such pictures come through host memory.
  PictureCopier(std::shared_ptr<VulkanDevice> device, std::shared_ptr<const cuda::Context> cuda)
      : device_(std::move(device)), cuda_(std::move(cuda)) {}

  /// Whether decoded pictures in that memory can get there without the host's.
  [[nodiscard]] bool reads(MemoryKind memory) const { return memory == MemoryKind::Cuda && cuda_ != nullptr; }
  /// Whether this one can.
  [[nodiscard]] bool on_device(const DeviceImage& image) const;
  /// The frame's whole picture, whatever its format, in place of the one before. Invalid: a malformed frame.
  /// Unsupported: memory that nobody here reads. Lost: a device is gone. Busy: no memory.
  [[nodiscard]] Result<void> copy(const Frame& frame, PictureCopy& into);

 private:
  [[nodiscard]] Result<void> copy_host(const HostImage& image, PictureCopy& into);
  [[nodiscard]] Result<void> copy_dmabuf(const std::shared_ptr<const Dmabuf>& dmabuf, PictureCopy& into);
  [[nodiscard]] Result<void> copy_cuda(const DeviceImage& image, PictureCopy& into);

  std::shared_ptr<VulkanDevice> device_;
  std::shared_ptr<const cuda::Context> cuda_;
  DmabufMapper mapper_;
  DeviceReader reader_;
};

}  // namespace zc
