#include "zerocopy/device/vulkan_route.h"

#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/dmabuf_sources.h"
#include "zerocopy/vulkan/known_modifiers.h"

#include <utility>

namespace zc {
namespace {

class VulkanRoute final : public DeviceConverter {
 public:
  VulkanRoute(const std::shared_ptr<VulkanDevice>& device, std::unique_ptr<ConversionPass> pass)
      : device_(device), sources_(device), pass_(std::move(pass)) {}

  [[nodiscard]] std::string_view route() const override { return "vulkan"; }
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const override { return known_.of(format); }
  [[nodiscard]] bool takes(const Dmabuf& dmabuf, const PicturePlan& plan) const override {
    return pass_takes(plan) && known_.has(plan.format, dmabuf.modifier);
  }
  [[nodiscard]] bool records_cursor() const override { return true; }

  [[nodiscard]] Result<void> convert(const DevicePicture& picture) override {
    const auto source = sources_.find_or_import(picture.dmabuf);
    if (!source) {
      if (source.error().kind == ErrorKind::Unsupported) known_.ask_again();  // one modifier less
      return std::unexpected(source.error());
    }
    return pass_->run(*source, picture.plan, *picture.target.buffer, picture.layout, picture.colour,
                      device_->patience(), {}, picture.cursor);
  }

 private:
  std::shared_ptr<VulkanDevice> device_;
  DmabufSources sources_;
  KnownModifiers known_{sources_};
  std::unique_ptr<ConversionPass> pass_;  ///< dies first: it knows whether the GPU still reads from the sources
};

}  // namespace

Result<std::unique_ptr<DeviceConverter>> make_vulkan_route(const DeviceSetup& setup) {
  if (const std::string missing = setup.vulkan->gpu().missing_for(VulkanUse::LinearDmabuf); !missing.empty()) {
    return fail(ErrorKind::Unsupported, "import dmabufs into Vulkan", "the device has no " + missing);
  }
  auto pass = ConversionPass::create(setup.vulkan);
  if (!pass) return std::unexpected(std::move(pass.error()));
  return std::make_unique<VulkanRoute>(setup.vulkan, std::move(*pass));
}

}  // namespace zc
