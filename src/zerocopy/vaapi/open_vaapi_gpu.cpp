// The cards that have VA-API and Vulkan.
#include "base/log.h"
#include "gpu/gpu_address.h"
#include "zerocopy/vaapi/vaapi_target.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr const char* kOperation = "find a card with VA-API";
/// Of the target that is made for a try.
constexpr SurfaceFormat kTried{
    .format = PixelFormat::NV12, .size = {64, 64}, .colour = kBt709Limited, .memory = MemoryKind::Vaapi};

Result<Gpu> open_card(const GpuAddress& card, const GpuOptions& options) {
  if (card.render_node.empty()) return fail(ErrorKind::Unsupported, card.text(), "it has no render node");
  auto device = vaapi::Device::open(card.render_node);
  if (!device) return std::unexpected(std::move(device.error()));
  if (!(*device)->encodes()) {
    return fail(ErrorKind::Unsupported, card.render_node, (*device)->vendor() + " encodes nothing");
  }
  // The node is what says that two drivers speak of one card; whether it is a software renderer is not asked here.
  auto vulkan = VulkanDevice::open({.gpu = card, .use = VulkanUse::LinearDmabuf});
  if (!vulkan && options.software) vulkan = VulkanDevice::open({.use = VulkanUse::LinearDmabuf});
  if (!vulkan) return std::unexpected(std::move(vulkan.error()));
  return open_vaapi_gpu(std::move(*vulkan), std::move(*device), options);
}

}  // namespace

Result<Gpu> open_vaapi_gpu(std::shared_ptr<VulkanDevice> vulkan, std::shared_ptr<const vaapi::Device> device,
                           const GpuOptions& options) {
  auto converters = open_converters(vulkan, options);
  if (!converters) return std::unexpected(std::move(converters.error()));
  const bool in_place = std::ranges::all_of(*converters, [](const auto& c) { return c->one_submission(); });
  MakeTarget make_target = [vulkan, device, in_place](const SurfaceFormat& format, std::size_t limit) {
    return make_vaapi_target(vulkan, device, format, limit, in_place);
  };
  if (const auto target = make_target(kTried, 1); !target) {
    return fail(ErrorKind::Unsupported, device->vendor(), target.error().message());
  }
  logger("zerocopy").debug("VA-API: {} ({})", device->vendor(), device->render_node());
  return Gpu{.device = std::move(vulkan),
             .converters = std::move(*converters),
             .encoder_device = std::move(device),
             .make_target = std::move(make_target)};
}

Result<Gpu> open_vaapi_gpu(const GpuOptions& options) {
  const auto cards = options.gpu ? std::vector{*options.gpu} : machine_gpus();
  if (cards.empty()) return fail(ErrorKind::Unsupported, kOperation, "there is no render node (/dev/dri/renderD*)");
  std::string reasons;
  for (const GpuAddress& card : cards) {
    auto gpu = open_card(card, options);
    if (gpu) return gpu;
    reasons += (reasons.empty() ? "" : "; ") + gpu.error().message();
  }
  return fail(ErrorKind::Unsupported, kOperation, reasons);
}

}  // namespace zc
