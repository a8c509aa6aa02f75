#include "zerocopy/vulkan/vulkan_converter.h"

#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/picture_copier.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/dmabuf_sources.h"

#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

namespace zc {
namespace {

class VulkanConverter final : public Converter {
 public:
  VulkanConverter(const std::shared_ptr<VulkanDevice>& device, std::unique_ptr<ConversionPass> pass)
      : device_(device), composes_(ConversionPass::check_layers(*device)), sources_(device), pass_(std::move(pass)) {}

  [[nodiscard]] std::string_view name() const override { return "vulkan"; }
  [[nodiscard]] const std::vector<std::uint64_t>& modifiers(PixelFormat format) const override {
    for (const auto& known : known_) {
      if (known->first == format) return known->second;
    }
    return known_.emplace_back(std::make_unique<Known>(format, sources_.modifiers(format)))->second;
  }
  /// What is not RGB is drawn as a layer.
  [[nodiscard]] bool takes(const PicturePlan& plan) const override {
    return pass_takes(plan) || (composes_ && !rgb_fields(plan.format).valid);
  }
  [[nodiscard]] Result<void> composes() const override { return composes_; }
  [[nodiscard]] Result<void> reads(const std::shared_ptr<const Dmabuf>& dmabuf) override {
    const auto source = sources_.find_or_import(dmabuf);
    return source ? Result<void>{} : std::unexpected(source.error());
  }

  [[nodiscard]] Result<void> convert(const ConverterJob& job) override {
    ConversionPass::Source source;
    if (job.dmabuf) {
      const auto found = sources_.find_or_import(job.dmabuf);
      if (!found) return std::unexpected(found.error());
      source = *found;
    }
    const SurfaceFormat surface{.format = job.layout.format, .size = job.layout.size, .colour = job.colour};
    std::array<ConversionPass::Layer, LayerTable::kSlots> layers;
    std::size_t count = 0;
    for (const ConverterLayer& layer : job.layers) {
      auto drawn = find(layer, surface);
      if (!drawn) return std::unexpected(std::move(drawn.error()));
      if (*drawn && count < layers.size()) layers.at(count++) = **drawn;
    }
    return pass_->run(source, job.plan, job.target, job.layout, job.colour, device_->patience(), job.cursor, job.tail,
                      {.drawn = std::span(layers).first(count), .beneath = job.beneath});
  }
  [[nodiscard]] Result<void> settle(Nanoseconds timeout) override { return pass_->settle(timeout); }
  [[nodiscard]] bool one_submission() const override { return true; }

 private:
  /// nullopt: nothing of it is to be seen.
  [[nodiscard]] Result<std::optional<ConversionPass::Layer>> find(const ConverterLayer& layer,
                                                                  const SurfaceFormat& surface) {
    ConversionPass::Source source;
    if (layer.copy != nullptr) {
      source.buffer = &layer.copy->buffer;
    } else {
      const auto found = sources_.find_or_import(*layer.dmabuf);
      if (!found) return std::unexpected(found.error());
      source = *found;
    }
    const auto geometry = layer.geometry(source.buffer != nullptr ? LayerMemory::Bytes : LayerMemory::Image, surface);
    if (!geometry) return std::unexpected(geometry.error());
    if (!*geometry) return std::nullopt;
    return ConversionPass::Layer{.geometry = **geometry, .buffer = source.buffer, .image = source.image};
  }

  using Known = std::pair<PixelFormat, std::vector<std::uint64_t>>;

  std::shared_ptr<VulkanDevice> device_;
  Result<void> composes_;
  mutable std::vector<std::unique_ptr<Known>> known_;  ///< asked of the driver once per format
  DmabufSources sources_;
  std::unique_ptr<ConversionPass> pass_;  ///< dies first: it knows whether the GPU still reads from the sources
};

Result<std::unique_ptr<Converter>> make(const std::shared_ptr<VulkanDevice>& device) {
  auto pass = ConversionPass::create(device);
  if (!pass) return std::unexpected(std::move(pass.error()));
  return std::make_unique<VulkanConverter>(device, std::move(*pass));
}

}  // namespace

Result<std::unique_ptr<Converter>> make_vulkan_converter(const std::shared_ptr<VulkanDevice>& device) {
  if (const std::string missing = device->gpu().missing_for(VulkanUse::LinearDmabuf); !missing.empty()) {
    return fail(ErrorKind::Unsupported, "import dmabufs into Vulkan", device->gpu().name + " has no " + missing);
  }
  return make(device);
}

Result<std::unique_ptr<Converter>> make_vulkan_composer(const std::shared_ptr<VulkanDevice>& device) {
  if (auto can = ConversionPass::check_layers(*device); !can) return std::unexpected(std::move(can.error()));
  return make(device);
}

}  // namespace zc
