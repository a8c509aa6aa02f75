#include "zerocopy/gl/egl_converter.h"

#include "base/log.h"
#include "zerocopy/gl/dmabuf_textures.h"
#include "zerocopy/gl/gl_pass.h"
#include "zerocopy/gl/shared_buffers.h"
#include "zerocopy/picture_copier.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>

namespace zc {
namespace {

/// A GPU that takes longer than this for one frame has hung or is given to somebody else; a software renderer shares
/// processors with others.
Nanoseconds patience(const GlDevice& device) {
  return device.gpu().software ? std::chrono::seconds(120) : std::chrono::seconds(1);
}

class EglConverter final : public Converter {
 public:
  explicit EglConverter(std::shared_ptr<GlDevice> device)
      : device_(std::move(device)), textures_(device_), targets_(device_), copies_(device_), pass_(device_) {}

  [[nodiscard]] std::string_view name() const override { return "egl"; }
  [[nodiscard]] const std::vector<std::uint64_t>& modifiers(PixelFormat format) const override {
    return textures_.modifiers(format);
  }
  [[nodiscard]] bool takes(const PicturePlan& plan) const override { return pass_takes(plan); }

  [[nodiscard]] Result<void> composes() const override { return GlPass::check_layers(*device_); }
  [[nodiscard]] Result<void> reads(const std::shared_ptr<const Dmabuf>& dmabuf) override {
    if (auto current = device_->make_current(); !current) return current;
    const auto picture = textures_.find_or_import(dmabuf);
    if (!picture) return std::unexpected(picture.error());
    if (picture->target == GL_TEXTURE_2D) return {};
    return fail(ErrorKind::Unsupported, "draw a layer", "the driver samples such a dmabuf as the main picture only");
  }

  [[nodiscard]] Result<void> convert(const ConverterJob& job) override {
    if (auto current = device_->make_current(); !current) return current;
    if (auto settled = pass_.settle(patience(*device_)); !settled) return settled;
    GlPicture source;
    if (job.dmabuf) {
      const auto found = textures_.find_or_import(job.dmabuf);
      if (!found) return std::unexpected(found.error());
      source = *found;
    }
    const auto target = targets_.find_or_import(job.target);
    if (!target) return std::unexpected(target.error());
    std::array<GlPass::Layer, LayerTable::kSlots> layers;
    const auto count = find(job, layers);
    if (!count) return std::unexpected(count.error());
    GlPass::Layers above{.drawn = std::span(layers).first(*count)};
    if (job.beneath != nullptr) {
      const auto beneath = targets_.find_or_import(*job.beneath);
      if (!beneath) return std::unexpected(beneath.error());
      above.beneath = *beneath;
    }
    return pass_.run(source, job.plan, *target, job.layout, job.colour, patience(*device_), above);
  }
  [[nodiscard]] Result<void> settle(Nanoseconds timeout) override {
    if (auto current = device_->make_current(); !current) return current;
    return pass_.settle(timeout);
  }
  [[nodiscard]] bool one_submission() const override { return false; }
  void forget_targets() override { targets_.clear(); }

 private:
  /// How many of the layers are to be seen, with where they lie.
  [[nodiscard]] Result<std::size_t> find(const ConverterJob& job, std::span<GlPass::Layer> layers) {
    std::array<std::uint64_t, LayerTable::kSlots> copies{};
    std::size_t copied = 0;
    for (const ConverterLayer& layer : job.layers) {
      if (layer.copy != nullptr && copied < copies.size()) copies.at(copied++) = layer.copy->buffer.id();
    }
    copies_.retain(std::span(copies).first(copied));
    const SurfaceFormat surface{.format = job.layout.format, .size = job.layout.size, .colour = job.colour};
    std::size_t count = 0;
    for (const ConverterLayer& layer : job.layers) {
      const bool copy = layer.copy != nullptr;
      const auto geometry = layer.geometry(copy ? LayerMemory::Bytes : LayerMemory::Image, surface);
      if (!geometry) return std::unexpected(geometry.error());
      if (!*geometry || count == layers.size()) continue;
      GlPass::Layer& drawn = layers[count++];
      drawn.geometry = **geometry;
      if (copy) {
        const auto buffer = copies_.find_or_import(layer.copy->buffer);
        if (!buffer) return std::unexpected(buffer.error());
        drawn.buffer = *buffer;
      } else {
        const auto picture = textures_.find_or_import(*layer.dmabuf);
        if (!picture) return std::unexpected(picture.error());
        drawn.texture = picture->texture;
      }
    }
    return count;
  }

  std::shared_ptr<GlDevice> device_;
  DmabufTextures textures_;
  SharedBuffers targets_;
  SharedBuffers copies_;  ///< of layers
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
