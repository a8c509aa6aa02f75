#include "zerocopy/vulkan_importer.h"

#include "base/log.h"
#include "gpu/device_nodes.h"
#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/dmabuf_converter.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/dmabuf_sources.h"

namespace zc {
namespace {

class VulkanSurfaceMemory final : public SurfaceMemory {
 public:
  explicit VulkanSurfaceMemory(VulkanBuffer buffer) : buffer_(std::move(buffer)) {}
  [[nodiscard]] std::byte* data() const override { return buffer_.mapped(); }
  [[nodiscard]] const VulkanBuffer& buffer() const { return buffer_; }

 private:
  VulkanBuffer buffer_;
};

class VulkanConverter final : public DmabufConverter {
 public:
  VulkanConverter(std::shared_ptr<VulkanDevice> device, std::unique_ptr<ConversionPass> pass)
      : device_(std::move(device)), sources_(device_), pass_(std::move(pass)) {}

  [[nodiscard]] std::string_view route() const override { return "vulkan"; }
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const override {
    return sources_.modifiers(format);
  }
  [[nodiscard]] bool takes(const PicturePlan& plan) const override {
    return !plan.scaled && rgb_fields(plan.format).valid;
  }
  [[nodiscard]] Result<std::unique_ptr<SurfaceMemory>> allocate(std::size_t bytes) override {
    auto buffer = VulkanBuffer::create_host(device_, bytes);
    if (!buffer) return std::unexpected(std::move(buffer.error()));
    return std::make_unique<VulkanSurfaceMemory>(std::move(*buffer));
  }
  [[nodiscard]] Result<void> convert(const std::shared_ptr<const Dmabuf>& dmabuf, const PicturePlan& plan,
                                     const ColourDescription& colour, SurfaceMemory& memory,
                                     const SurfaceLayout& layout) override {
    const auto source = sources_.find_or_import(dmabuf);
    if (!source) return std::unexpected(source.error());
    const auto* own = dynamic_cast<const VulkanSurfaceMemory*>(&memory);
    if (own == nullptr) return fail(ErrorKind::Internal, "convert on the GPU", "the surface is not from its pool");
    const VulkanBuffer& target = own->buffer();
    if (auto done = pass_->run(*source, plan, target, layout, colour, device_->patience()); !done) return done;
    return target.invalidate();
  }

 private:
  std::shared_ptr<VulkanDevice> device_;
  DmabufSources sources_;
  std::unique_ptr<ConversionPass> pass_;  ///< dies first: it knows whether the GPU still reads from the sources
};

}  // namespace

Result<std::unique_ptr<Importer>> make_vulkan_importer(const VulkanImporterOptions& options) {
  if (!options.device && !options.software && !has_gpu_node()) {
    return fail(ErrorKind::Unsupported, "open a GPU", "there is none: no /dev/dri/renderD* and no /dev/nvidia0");
  }
  Result<std::shared_ptr<VulkanDevice>> device =
      options.device ? options.device
                     : VulkanDevice::open({.use = VulkanUse::LinearDmabuf, .software = options.software});
  if (!device) return std::unexpected(std::move(device.error()));
  auto pass = ConversionPass::create(*device);
  if (!pass) return std::unexpected(std::move(pass.error()));
  logger("zerocopy").info("vulkan: {} ({})", (*device)->gpu().name, (*device)->gpu().driver);
  return make_host_importer(options.surface_limit,
                            std::make_unique<VulkanConverter>(std::move(*device), std::move(*pass)), options.strict);
}

}  // namespace zc
