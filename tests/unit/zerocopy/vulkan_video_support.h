// Helpers of the tests of surfaces in FFmpeg's Vulkan images, on lavapipe, which encodes nothing.
#pragma once

#include "gpu/vulkan/device.h"
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/open_gpu.h"
#include "zerocopy/vulkan_video/vulkan_video_target.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc::test {

/// FFmpeg's device on the first software renderer. Skips the test where there is none.
inline std::shared_ptr<VulkanDevice> adopted_device() {
  const auto open = []() -> Result<std::shared_ptr<VulkanDevice>> {
    const auto instance = VulkanInstance::create();
    if (!instance) return std::unexpected(instance.error());
    const auto gpus = (*instance)->gpus();
    if (!gpus) return std::unexpected(gpus.error());
    for (std::size_t i = 0; i < gpus->size(); ++i) {
      const VulkanGpu& gpu = gpus->at(i);
      if (gpu.type != VK_PHYSICAL_DEVICE_TYPE_CPU || !gpu.missing_for(VulkanUse::LinearDmabuf).empty()) continue;
      auto device = vulkan::Device::open(i);
      if (!device) return std::unexpected(std::move(device.error()));
      return VulkanDevice::adopt(std::move(*device));
    }
    return fail(ErrorKind::Unsupported, "open a software device", "none imports dmabufs");
  };
  static const auto device = open();
  if (!device) SKIP(device.error().message());
  return *device;
}

inline Result<std::unique_ptr<Importer>> video_importer(const std::shared_ptr<VulkanDevice>& device,
                                                        GpuImporterOptions options = {}) {
  auto gpu = open_vulkan_video_gpu(device, {.converter = "vulkan"});
  if (!gpu) return std::unexpected(std::move(gpu.error()));
  return make_gpu_importer(std::move(*gpu), std::move(options));
}

inline SurfaceFormat in_vulkan(PixelFormat format, Size size, ColourDescription colour = kBt709Limited) {
  return {.format = format, .size = size, .colour = colour, .memory = MemoryKind::Vulkan};
}

/// The picture in host memory, for comparison.
inline Surface read_back(const Surface& surface) {
  if (surface.format().memory == MemoryKind::Host) return surface.share();
  AvFramePtr frame(av_frame_alloc());
  REQUIRE(frame);
  REQUIRE(av_hwframe_transfer_data(frame.get(), surface.av_frame(), 0) == 0);
  SurfaceFormat format = surface.format();
  format.memory = MemoryKind::Host;
  return Surface(std::move(frame), format);
}

}  // namespace zc::test
