#include "zerocopy/open_gpu.h"

#include "base/log.h"
#include "gpu/cuda/context.h"
#include "gpu/device_nodes.h"
#include "gpu/vulkan/device.h"
#include "zerocopy/cuda/cuda_target.h"
#include "zerocopy/gl/egl_converter.h"
#include "zerocopy/vaapi/vaapi_target.h"
#include "zerocopy/vulkan/vulkan_converter.h"
#include "zerocopy/vulkan/vulkan_device.h"
#include "zerocopy/vulkan_video/vulkan_video_target.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// Drivers that list what it takes may still refuse it: one small surface is made for a try.
constexpr SurfaceFormat tried_format(MemoryKind memory) {
  return {.format = PixelFormat::NV12, .size = {64, 64}, .colour = kBt709Limited, .memory = memory};
}

Result<Gpu> tried(Gpu gpu, MemoryKind memory) {
  const auto target = gpu.make_target(tried_format(memory), 1);
  if (!target) return std::unexpected(target.error());
  if (const auto taken = (*target)->take(); !taken) return std::unexpected(taken.error());
  return gpu;
}

struct ConverterRow {
  std::string_view name;
  Result<std::unique_ptr<Converter>> (*make)(const std::shared_ptr<VulkanDevice>& device);
};
constexpr std::array kConverters = {
    ConverterRow{"vulkan", make_vulkan_converter},
    ConverterRow{"egl", [](const std::shared_ptr<VulkanDevice>& device) { return make_egl_converter(*device); }},
};

Result<Gpu> open_cuda_gpu(const std::shared_ptr<const cuda::Driver>& driver, const cuda::Device& device,
                          const GpuOptions& options) {
  if (!device.uuid) return fail(ErrorKind::Unsupported, "find the GPU", "CUDA does not tell its UUID");
  // The UUID is what says that two drivers speak of one GPU; whether it is a software renderer is not asked here.
  auto vulkan = VulkanDevice::open({.uuid = device.uuid, .gpu = options.gpu, .use = VulkanUse::Export});
  if (!vulkan) return std::unexpected(std::move(vulkan.error()));
  auto context = cuda::Context::open(driver, device);
  if (!context) return std::unexpected(std::move(context.error()));
  auto converters = open_converters(*vulkan, options);
  if (!converters) {
    // Without dmabufs there are still a decoder's pictures, and layers.
    auto composer = make_vulkan_composer(*vulkan);
    if (!composer || options.converter == "egl") return std::unexpected(std::move(converters.error()));
    converters = std::vector<std::unique_ptr<Converter>>{};
    converters->push_back(std::move(*composer));
  }
  logger("zerocopy").debug("CUDA: {}, driver {}", device.name, driver->version_text());
  const std::shared_ptr<const cuda::Context> cuda = *context;
  return tried({.device = *vulkan,
                .converters = std::move(*converters),
                .encoder_device = cuda,
                .make_target = [vulkan = *vulkan, cuda](
                                   const SurfaceFormat& format,
                                   std::size_t limit) { return make_cuda_target(vulkan, cuda, format, limit); }},
               MemoryKind::Cuda);
}

Result<Gpu> open_cuda(const GpuOptions& options) {
  // CUDA's start wakes every GPU of NVIDIA's.
  if (options.gpu && !options.gpu->vendor.empty() && options.gpu->vendor != kNvidia) {
    return fail(ErrorKind::Unsupported, "open CUDA on " + options.gpu->text(), "it is not NVIDIA's");
  }
  const auto driver = cuda::Driver::load();
  if (!driver) return std::unexpected(driver.error());
  const auto devices = (*driver)->devices();
  if (!devices) return std::unexpected(devices.error());
  std::string reasons;
  for (const cuda::Device& device : *devices) {
    auto gpu = open_cuda_gpu(*driver, device, options);
    if (gpu) return gpu;
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", device.name, gpu.error().message());
  }
  return fail(ErrorKind::Unsupported, "find a GPU for CUDA and Vulkan", reasons);
}

Result<void> need_gpu_node(const GpuOptions& options) {
  if (options.software || has_gpu_node()) return {};
  return fail(ErrorKind::Unsupported, "open a GPU", "there is none: no /dev/dri/renderD* and no /dev/nvidia0");
}

Result<Gpu> open_vulkan_video(const GpuOptions& options) {
  if (auto node = need_gpu_node(options); !node) return std::unexpected(std::move(node.error()));
  auto device = find_vulkan_video_device(options.software, options.gpu);
  if (!device) return std::unexpected(std::move(device.error()));
  return open_vulkan_video_gpu(std::move(*device), options);
}

Result<Gpu> open_host(const GpuOptions& options) {
  if (auto node = need_gpu_node(options); !node) return std::unexpected(std::move(node.error()));
  auto device = VulkanDevice::open({.gpu = options.gpu, .use = VulkanUse::Export, .software = options.software});
  if (!device) return std::unexpected(std::move(device.error()));
  return open_host_gpu(std::move(*device), options);
}

constexpr std::array kKinds = {
    GpuKind{"cuda", MemoryKind::Cuda, open_cuda},
    GpuKind{"vaapi", MemoryKind::Vaapi, open_vaapi_gpu},
    GpuKind{"vulkan-video", MemoryKind::Vulkan, open_vulkan_video},
    GpuKind{"host", MemoryKind::Host, open_host},
};

}  // namespace

std::span<const GpuKind> gpu_kinds() { return kKinds; }

std::vector<GpuAttempt> gpu_attempts(std::span<const GpuKind> kinds, MemoryKind first, const GpuChoice& choice) {
  std::vector<GpuAttempt> attempts;
  for (const bool wanted : {true, false}) {
    const auto add = [&](const std::optional<GpuAddress>& gpu) {
      for (const GpuKind& kind : kinds) {
        // Every encoder takes pictures from the host, so that nobody asks for them.
        if ((kind.memory == first && first != MemoryKind::Host) == wanted) attempts.push_back({kind, gpu});
      }
    };
    if (choice.gpu) add(choice.gpu);
    if (!choice.binding()) add(std::nullopt);
  }
  return attempts;
}

Result<std::vector<std::unique_ptr<Converter>>> open_converters(const std::shared_ptr<VulkanDevice>& device,
                                                                const GpuOptions& options) {
  std::vector<std::unique_ptr<Converter>> converters;
  std::string reasons;
  for (const ConverterRow& row : kConverters) {
    if (!options.converter.empty() && options.converter != row.name) continue;
    auto made = row.make(device);
    if (made) {
      converters.push_back(std::move(*made));
      continue;
    }
    logger("zerocopy").debug("{} converts nothing here: {}", row.name, made.error().message());
    reasons += (reasons.empty() ? "" : "; ") + made.error().message();
  }
  if (!converters.empty()) return converters;
  return fail(ErrorKind::Unsupported, "convert pictures on " + device->gpu().name, reasons);
}

Result<Gpu> open_host_gpu(std::shared_ptr<VulkanDevice> device, const GpuOptions& options) {
  auto converters = open_converters(device, options);
  if (!converters) return std::unexpected(std::move(converters.error()));
  logger("zerocopy").debug("Vulkan: {} ({})", device->gpu().name, device->gpu().driver);
  return Gpu{.device = std::move(device), .converters = std::move(*converters)};
}

Result<Gpu> open_vulkan_video_gpu(std::shared_ptr<VulkanDevice> device, const GpuOptions& options) {
  auto converters = open_converters(device, options);
  if (!converters) return std::unexpected(std::move(converters.error()));
  logger("zerocopy").debug("Vulkan Video: {} ({})", device->gpu().name, device->gpu().driver);
  return tried({.device = device,
                .converters = std::move(*converters),
                .encoder_device = device->adopted(),
                .make_target = [device](const SurfaceFormat& format,
                                        std::size_t limit) { return make_vulkan_video_target(device, format, limit); }},
               MemoryKind::Vulkan);
}

}  // namespace zc
