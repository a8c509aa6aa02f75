#include "zerocopy/gl/egl_route.h"

#include "base/log.h"
#include "zerocopy/gl/dmabuf_textures.h"
#include "zerocopy/gl/gl_pass.h"
#include "zerocopy/gl/shared_buffers.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace zc {
namespace {

/// A GPU that takes longer than this for one frame has hung or is given to somebody else.
constexpr std::chrono::milliseconds kFrameTimeout{1000};

class EglRoute final : public DeviceConverter {
 public:
  explicit EglRoute(std::shared_ptr<GlDevice> device)
      : device_(std::move(device)), textures_(device_), targets_(device_), pass_(device_) {}

  [[nodiscard]] std::string_view route() const override { return "egl"; }
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
    const auto target = targets_.find_or_import(picture.target.id, *picture.target.buffer);
    if (!target) return std::unexpected(target.error());
    return pass_.run(*source, picture.plan, *target, picture.layout, picture.colour, kFrameTimeout);
  }

  void forget_targets() override { targets_.clear(); }

 private:
  std::shared_ptr<GlDevice> device_;
  DmabufTextures textures_;
  SharedBuffers targets_;
  GlPass pass_;
};

}  // namespace

Result<std::shared_ptr<GlDevice>> open_gl_device(const VulkanDevice& gpu) {
  return GlDevice::open({.uuid = gpu.gpu().uuid,
                         .render_node = gpu.gpu().render_node,
                         .use = GlUse::TiledDmabuf,
                         .software = gpu.gpu().type == VK_PHYSICAL_DEVICE_TYPE_CPU});
}

Result<std::unique_ptr<DeviceConverter>> make_egl_route(const DeviceSetup& setup) {
  auto device = open_gl_device(*setup.vulkan);
  if (!device) return std::unexpected(std::move(device.error()));
  if (const std::string missing = (*device)->gpu().missing_for(GlUse::SharedMemory); !missing.empty()) {
    return fail(ErrorKind::Unsupported, "share memory with OpenGL ES", "the driver has no " + missing);
  }
  logger("zerocopy").info("egl: {} ({})", (*device)->gpu().renderer, (*device)->gpu().version);
  return make_egl_route(std::move(*device));
}

std::unique_ptr<DeviceConverter> make_egl_route(std::shared_ptr<GlDevice> device) {
  return std::make_unique<EglRoute>(std::move(device));
}

}  // namespace zc
