#include "zerocopy/vulkan/vulkan_converter.h"

#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/dmabuf_sources.h"

#include <chrono>
#include <utility>

namespace zc {
namespace {

class VulkanConverter final : public Converter {
 public:
  VulkanConverter(const std::shared_ptr<VulkanDevice>& device, std::unique_ptr<ConversionPass> pass)
      : device_(device), sources_(device), pass_(std::move(pass)) {}

  [[nodiscard]] std::string_view name() const override { return "vulkan"; }
  [[nodiscard]] const std::vector<std::uint64_t>& modifiers(PixelFormat format) const override {
    for (const auto& known : known_) {
      if (known->first == format) return known->second;
    }
    return known_.emplace_back(std::make_unique<Known>(format, sources_.modifiers(format)))->second;
  }
  [[nodiscard]] bool takes(const PicturePlan& plan) const override { return pass_takes(plan); }

  [[nodiscard]] Result<void> convert(const ConverterJob& job) override {
    const auto source = sources_.find_or_import(job.dmabuf);
    if (!source) return std::unexpected(source.error());
    return pass_->run(*source, job.plan, job.target, job.layout, job.colour, device_->patience(), job.cursor, job.tail);
  }
  [[nodiscard]] Result<void> settle(Nanoseconds timeout) override { return pass_->settle(timeout); }
  [[nodiscard]] bool one_submission() const override { return true; }
  [[nodiscard]] Result<void> warm_up(const SurfaceFormat& surfaces) override;

 private:
  using Known = std::pair<PixelFormat, std::vector<std::uint64_t>>;

  std::shared_ptr<VulkanDevice> device_;
  mutable std::vector<std::unique_ptr<Known>> known_;  ///< asked of the driver once per format
  DmabufSources sources_;
  std::unique_ptr<ConversionPass> pass_;  ///< dies first: it knows whether the GPU still reads from the sources
};

Result<void> VulkanConverter::warm_up(const SurfaceFormat& surfaces) {
  constexpr PixelFormat kSource = PixelFormat::BGRx;
  constexpr std::size_t kStride = std::size_t{kWarmUpSize.width} * 4;
  const SurfaceLayout layout = surface_layout(surfaces.format, kWarmUpSize, 256);
  const auto plan = make_picture_plan(kSource, kWarmUpSize, {}, Transform::Normal, kWarmUpSize);
  if (!plan) return std::unexpected(plan.error());
  auto pixels = VulkanBuffer::create_device(device_, kStride * kWarmUpSize.height);
  if (!pixels) return std::unexpected(std::move(pixels.error()));
  auto target = VulkanBuffer::create_device(device_, layout.bytes);
  if (!target) return std::unexpected(std::move(target.error()));
  auto image = VulkanImage::create(device_, kSource, kWarmUpSize);
  if (!image) return std::unexpected(std::move(image.error()));
  Result<void> done = pass_->upload(*pixels, *image, kCompilePatience);
  for (const ConversionPass::Source& source :
       {ConversionPass::Source{.buffer = &*pixels, .plane = {0, kStride}}, ConversionPass::Source{.image = &*image}}) {
    if (done) done = pass_->run(source, *plan, *target, layout, surfaces.colour, kCompilePatience);
  }
  // What the GPU may still work with is given up with the device.
  if (!done && done.error().kind == ErrorKind::Timeout) device_->abandon();
  return done;
}

}  // namespace

Result<std::unique_ptr<Converter>> make_vulkan_converter(const std::shared_ptr<VulkanDevice>& device) {
  if (const std::string missing = device->gpu().missing_for(VulkanUse::LinearDmabuf); !missing.empty()) {
    return fail(ErrorKind::Unsupported, "import dmabufs into Vulkan", device->gpu().name + " has no " + missing);
  }
  auto pass = ConversionPass::create(device);
  if (!pass) return std::unexpected(std::move(pass.error()));
  return std::make_unique<VulkanConverter>(device, std::move(*pass));
}

}  // namespace zc
