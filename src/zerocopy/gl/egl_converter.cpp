#include "zerocopy/gl/egl_converter.h"

#include "base/log.h"
#include "zerocopy/gl/dmabuf_textures.h"
#include "zerocopy/gl/gl_pass.h"
#include "zerocopy/gl/shared_buffers.h"

#include <chrono>
#include <utility>

namespace zc {
namespace {

/// A GPU that takes longer than this for one frame has hung or is given to somebody else; a software renderer shares
/// processors with others.
Nanoseconds patience(const GlDevice& device) {
  return device.gpu().software ? std::chrono::seconds(20) : std::chrono::seconds(1);
}

class EglConverter final : public Converter {
 public:
  explicit EglConverter(std::shared_ptr<GlDevice> device)
      : device_(std::move(device)), textures_(device_), targets_(device_), pass_(device_) {}

  [[nodiscard]] std::string_view name() const override { return "egl"; }
  [[nodiscard]] const std::vector<std::uint64_t>& modifiers(PixelFormat format) const override {
    return textures_.modifiers(format);
  }
  [[nodiscard]] bool takes(const PicturePlan& plan) const override { return pass_takes(plan); }

  [[nodiscard]] Result<void> convert(const ConverterJob& job) override {
    if (auto current = device_->make_current(); !current) return current;
    const auto source = textures_.find_or_import(job.dmabuf);
    if (!source) return std::unexpected(source.error());
    const auto target = targets_.find_or_import(job.target);
    if (!target) return std::unexpected(target.error());
    return pass_.run(*source, job.plan, *target, job.layout, job.colour, patience(*device_));
  }
  [[nodiscard]] Result<void> settle(Nanoseconds timeout) override {
    if (auto current = device_->make_current(); !current) return current;
    return pass_.settle(timeout);
  }
  [[nodiscard]] bool one_submission() const override { return false; }
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

Result<std::unique_ptr<Converter>> make_egl_converter(const VulkanDevice& gpu) {
  auto device = open_gl_device(gpu);
  if (!device) return std::unexpected(std::move(device.error()));
  if (const std::string missing = (*device)->gpu().missing_for(GlUse::SharedMemory); !missing.empty()) {
    return fail(ErrorKind::Unsupported, "share memory with OpenGL ES", "the driver has no " + missing);
  }
  logger("zerocopy").debug("egl: {} ({})", (*device)->gpu().renderer, (*device)->gpu().version);
  return make_egl_converter(std::move(*device));
}

std::unique_ptr<Converter> make_egl_converter(std::shared_ptr<GlDevice> device) {
  return std::make_unique<EglConverter>(std::move(device));
}

}  // namespace zc
