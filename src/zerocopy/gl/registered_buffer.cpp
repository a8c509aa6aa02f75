#include "zerocopy/gl/registered_buffer.h"

#include <ffnvcodec/dynlink_loader.h>

#include <utility>

namespace zc {
namespace {

constexpr const char* kRegister = "register a GL buffer with CUDA";
constexpr const char* kCopy = "copy a GL buffer to CUDA memory";
/// CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY of cuda.h, which ffnvcodec's header lacks.
constexpr unsigned kReadOnly = 1;

}  // namespace

Result<std::unique_ptr<RegisteredBuffer>> RegisteredBuffer::create(const std::shared_ptr<GlDevice>& device,
                                                                   std::shared_ptr<const cuda::Context> cuda,
                                                                   std::size_t bytes) {
  const cuda::Driver& driver = cuda->driver();
  const auto current = cuda::CurrentContext::push(*cuda);
  if (!current) return std::unexpected(current.error());
  if (driver.more().graphics_gl_register_buffer == nullptr) {
    return fail(ErrorKind::Unsupported, kRegister, "the driver has no cuGraphicsGLRegisterBuffer");
  }
  std::unique_ptr<RegisteredBuffer> self(new RegisteredBuffer(device, std::move(cuda), bytes));
  self->buffer_ = GlObject::buffer(device);
  const GlFunctions& gl = device->gl();
  gl.BindBuffer(GL_SHADER_STORAGE_BUFFER, self->buffer_.get());
  gl.BufferData(GL_SHADER_STORAGE_BUFFER, static_cast<GLsizeiptr>(bytes), nullptr, GL_DYNAMIC_COPY);
  gl.BindBuffer(GL_SHADER_STORAGE_BUFFER, 0);
  if (auto fine = check_gl(gl, kRegister); !fine) return std::unexpected(std::move(fine.error()));
  auto registered = driver.check(
      driver.more().graphics_gl_register_buffer(&self->resource_, self->buffer_.get(), kReadOnly), kRegister);
  if (!registered) return std::unexpected(std::move(registered.error()));
  return self;
}

RegisteredBuffer::~RegisteredBuffer() {
  if (resource_ == nullptr) return;
  // Without either context there is nothing left to unregister.
  const auto current = cuda::CurrentContext::push(*cuda_);
  if (current && device_->make_current())
    static_cast<void>(cuda_->driver().api().cuGraphicsUnregisterResource(resource_));
}

Result<void> RegisteredBuffer::copy_to(CUdeviceptr target, std::size_t bytes) {
  const auto current = cuda::CurrentContext::push(*cuda_);
  if (!current) return std::unexpected(current.error());
  const cuda::Driver& driver = cuda_->driver();
  const CudaFunctions& api = driver.api();
  if (auto ok = driver.check(api.cuGraphicsMapResources(1, &resource_, nullptr), kCopy); !ok) return ok;
  CUdeviceptr source = 0;
  std::size_t mapped_bytes = 0;
  auto done = driver.check(api.cuGraphicsResourceGetMappedPointer(&source, &mapped_bytes, resource_), kCopy);
  if (done && mapped_bytes < bytes) done = fail(ErrorKind::Internal, kCopy, "less is mapped than was registered");
  if (done) done = driver.check(api.cuMemcpyDtoDAsync(target, source, bytes, nullptr), kCopy);
  const auto unmapped = driver.check(api.cuGraphicsUnmapResources(1, &resource_, nullptr), kCopy);
  // Whatever has failed: what was queued is over before the memory is anybody else's.
  const auto waited = driver.check(api.cuStreamSynchronize(nullptr), kCopy);
  if (!done) return done;
  return unmapped ? waited : unmapped;
}

}  // namespace zc
