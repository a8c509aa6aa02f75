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

 private:
  using Known = std::pair<PixelFormat, std::vector<std::uint64_t>>;

  std::shared_ptr<VulkanDevice> device_;
  mutable std::vector<std::unique_ptr<Known>> known_;  ///< asked of the driver once per format
  DmabufSources sources_;
  std::unique_ptr<ConversionPass> pass_;  ///< dies first: it knows whether the GPU still reads from the sources
};

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
