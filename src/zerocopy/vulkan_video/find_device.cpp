#include "gpu/vulkan/device.h"
#include "zerocopy/vulkan/vulkan_device.h"
#include "zerocopy/vulkan_video/vulkan_video_target.h"

#include <algorithm>
#include <string>
#include <utility>

namespace zc {
namespace {

/// FFmpeg's device for one of the driver's. `trying`: whether it encodes or not.
Result<std::shared_ptr<VulkanDevice>> open_device(std::size_t place, const VulkanGpu& gpu, bool trying) {
  if (gpu.type == VK_PHYSICAL_DEVICE_TYPE_CPU && !trying) {
    return fail(ErrorKind::Unsupported, gpu.name, "it is a software renderer");
  }
  // The name's macro is newer than the oldest headers supported.
  if (!trying && !gpu.has("VK_KHR_video_encode_queue")) {
    return fail(ErrorKind::Unsupported, gpu.name, "its driver encodes nothing");
  }
  auto opened = vulkan::Device::open(place);
  if (!opened) return std::unexpected(std::move(opened.error()));
  if (!trying && !(*opened)->encodes()) {
    return fail(ErrorKind::Unsupported, gpu.name, "this FFmpeg has no encoders for it (they came with 7.1)");
  }
  auto device = VulkanDevice::adopt(std::move(*opened));
  // A list that has changed in between.
  if (device && (*device)->gpu().uuid != gpu.uuid) {
    return fail(ErrorKind::Unsupported, gpu.name, "FFmpeg opened another device");
  }
  return device;
}

}  // namespace

Result<std::shared_ptr<VulkanDevice>> find_vulkan_video_device(bool software, const std::optional<GpuAddress>& wanted) {
  constexpr const char* kOperation = "find a device with Vulkan Video encoders";
  const auto instance = VulkanInstance::create();
  if (!instance) return std::unexpected(instance.error());
  const auto gpus = (*instance)->gpus();
  if (!gpus) return std::unexpected(gpus.error());
  const auto is_software = [](const VulkanGpu& gpu) { return gpu.type == VK_PHYSICAL_DEVICE_TYPE_CPU; };
  const bool only_software = std::ranges::all_of(*gpus, is_software);
  std::string reasons;
  for (std::size_t i = 0; i < gpus->size(); ++i) {
    if (wanted && !gpus->at(i).is(*wanted)) continue;
    auto device = open_device(i, gpus->at(i), software && only_software);
    if (device) return device;
    reasons += (reasons.empty() ? "" : "; ") + device.error().message();
  }
  return fail(ErrorKind::Unsupported, kOperation, reasons.empty() ? "there is no such Vulkan device" : reasons);
}

}  // namespace zc
