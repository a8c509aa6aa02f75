#include "zerocopy/gl/egl_copy_route.h"

#include "base/log.h"
#include "zerocopy/gl/dmabuf_textures.h"
#include "zerocopy/gl/egl_route.h"
#include "zerocopy/gl/gl_pass.h"
#include "zerocopy/gl/registered_buffer.h"

#include <utility>

namespace zc {
namespace {

/// A GPU that takes longer than this for one frame has hung or is given to somebody else.
constexpr std::chrono::milliseconds kFrameTimeout{1000};
constexpr std::size_t kTryBytes = 4096;

class EglCopyRoute final : public DeviceConverter {
 public:
  EglCopyRoute(std::shared_ptr<GlDevice> device, std::shared_ptr<const cuda::Context> cuda)
      : device_(std::move(device)), cuda_(std::move(cuda)), textures_(device_), pass_(device_) {}

  [[nodiscard]] std::string_view route() const override { return "egl-copy"; }
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const override {
    return textures_.modifiers(format);
  }
  [[nodiscard]] bool takes(const Dmabuf& dmabuf, const PicturePlan& plan) const override {
    return pass_takes(plan) && textures_.takes(plan.format, dmabuf.modifier);
  }

  [[nodiscard]] Result<void> convert(const DevicePicture& picture) override {
    if (auto current = device_->make_current(); !current) return current;
    const auto source = textures_.find_or_import(picture.dmabuf);
    if (!source) return std::unexpected(source.error());
    if (buffer_ == nullptr || buffer_->bytes() < picture.layout.bytes) {
      buffer_.reset();
      auto made = RegisteredBuffer::create(device_, cuda_, picture.layout.bytes);
      if (!made) return std::unexpected(std::move(made.error()));
      buffer_ = std::move(*made);
    }
    if (auto done = pass_.run(*source, picture.plan, buffer_->name(), picture.layout, picture.colour, kFrameTimeout);
        !done) {
      return done;
    }
    return buffer_->copy_to(picture.target.cuda_address, picture.layout.bytes);
  }

  /// The targets are CUDA's; the buffer's size goes with theirs.
  void forget_targets() override {
    if (device_->make_current()) buffer_.reset();
  }

 private:
  std::shared_ptr<GlDevice> device_;
  std::shared_ptr<const cuda::Context> cuda_;
  DmabufTextures textures_;
  std::unique_ptr<RegisteredBuffer> buffer_;
  GlPass pass_;
};

/// Whether CUDA takes this context's buffers shows only when it is given one.
Result<void> try_buffer(const std::shared_ptr<GlDevice>& device, const std::shared_ptr<const cuda::Context>& cuda) {
  if (auto current = device->make_current(); !current) return current;
  Result<void> fits;
  if (auto tried = RegisteredBuffer::create(device, cuda, kTryBytes); !tried) {
    tried.error().kind = ErrorKind::Unsupported;
    fits = std::unexpected(std::move(tried.error()));
  }
  device->release_current();  // the worker's from now on
  return fits;
}

}  // namespace

Result<std::unique_ptr<DeviceConverter>> make_egl_copy_route(const DeviceSetup& setup) {
  auto device = open_gl_device(*setup.vulkan);
  if (!device) return std::unexpected(std::move(device.error()));
  if (auto fits = try_buffer(*device, setup.cuda); !fits) return std::unexpected(std::move(fits.error()));
  logger("zerocopy").info("egl-copy: {} ({})", (*device)->gpu().renderer, (*device)->gpu().version);
  return make_egl_copy_route(std::move(*device), setup.cuda);
}

std::unique_ptr<DeviceConverter> make_egl_copy_route(std::shared_ptr<GlDevice> device,
                                                     std::shared_ptr<const cuda::Context> cuda) {
  return std::make_unique<EglCopyRoute>(std::move(device), std::move(cuda));
}

}  // namespace zc
