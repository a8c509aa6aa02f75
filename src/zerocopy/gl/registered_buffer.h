#pragma once

#include "base/error.h"
#include "gpu/cuda/context.h"
#include "zerocopy/gl/gl_device.h"

#include <cstddef>
#include <memory>
#include <utility>

namespace zc {

/// A GL buffer that CUDA reads (cuGraphicsGLRegisterBuffer): registered once, mapped for each copy. The GL context's
/// thread.
class RegisteredBuffer {
 public:
  /// Unsupported: CUDA does not take the context's buffers, or is not on its GPU. The context must be current.
  [[nodiscard]] static Result<std::unique_ptr<RegisteredBuffer>> create(const std::shared_ptr<GlDevice>& device,
                                                                        std::shared_ptr<const cuda::Context> cuda,
                                                                        std::size_t bytes);
  RegisteredBuffer(const RegisteredBuffer&) = delete;
  RegisteredBuffer& operator=(const RegisteredBuffer&) = delete;
  ~RegisteredBuffer();

  [[nodiscard]] GLuint name() const { return buffer_.get(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// The first `bytes` to CUDA memory, on the GPU; waits for the copy. GL has finished writing the buffer. Errors as
  /// cuda::Driver::check().
  [[nodiscard]] Result<void> copy_to(CUdeviceptr target, std::size_t bytes);

 private:
  RegisteredBuffer(std::shared_ptr<GlDevice> device, std::shared_ptr<const cuda::Context> cuda, std::size_t bytes)
      : device_(std::move(device)), cuda_(std::move(cuda)), bytes_(bytes) {}

  std::shared_ptr<GlDevice> device_;
  std::shared_ptr<const cuda::Context> cuda_;
  std::size_t bytes_;
  GlObject buffer_;
  CUgraphicsResource resource_ = nullptr;
};

}  // namespace zc
