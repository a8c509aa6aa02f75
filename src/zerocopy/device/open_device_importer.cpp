#include "base/log.h"
#include "gpu/cuda/context.h"
#include "zerocopy/cpu_importer.h"
#include "zerocopy/device/cuda_surface_pool.h"
#include "zerocopy/device/device_converter.h"
#include "zerocopy/device_importer.h"
#include "zerocopy/dmabuf_converter.h"
#include "zerocopy/vulkan/vulkan_device.h"
#include "zerocopy/vulkan_importer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace zc {
namespace {

/// A Vulkan device and the CUDA device that is the same GPU.
Result<DeviceSetup> find_gpu() {
  const auto driver = cuda::Driver::load();
  if (!driver) return std::unexpected(driver.error());
  const auto devices = (*driver)->devices();
  if (!devices) return std::unexpected(devices.error());
  std::string reasons;
  for (const cuda::Device& device : *devices) {
    // The UUID is what says that two drivers speak of one GPU; whether it is a software renderer is not asked here.
    auto vulkan = device.uuid ? VulkanDevice::open({.uuid = device.uuid, .use = VulkanUse::Export})
                              : fail(ErrorKind::Unsupported, "find the GPU", "CUDA does not tell its UUID");
    if (vulkan) {
      auto context = cuda::Context::open(*driver, device);
      if (context) return DeviceSetup{.vulkan = std::move(*vulkan), .cuda = std::move(*context)};
      vulkan = std::unexpected(std::move(context.error()));
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", device.name, vulkan.error().message());
  }
  return fail(ErrorKind::Unsupported, "find a GPU for CUDA and Vulkan", reasons);
}

/// Drivers that list what it takes may still refuse it: one small surface is made for a try.
Result<void> try_surface(const DeviceSetup& setup, const std::shared_ptr<CudaCounters>& counters) {
  const SurfaceFormat format{
      .format = PixelFormat::NV12, .size = {64, 64}, .colour = kBt709Limited, .memory = MemoryKind::Cuda};
  const auto pool = CudaSurfacePool::create(format, 1, setup.cuda, setup.vulkan, counters);
  if (!pool) return std::unexpected(pool.error());
  const auto taken = (*pool)->take();
  if (!taken) return std::unexpected(taken.error());
  return {};
}

}  // namespace

Result<std::unique_ptr<Importer>> make_device_importer(const DeviceImporterOptions& options) {
  auto setup = find_gpu();
  if (!setup) return std::unexpected(std::move(setup.error()));
  std::vector<std::unique_ptr<DeviceConverter>> routes;
  std::string reasons;
  for (const DeviceRoute& route : device_routes()) {
    const auto is_better = [&](const auto& opened) { return opened->route() == route.instead_of; };
    if (std::ranges::any_of(routes, is_better)) continue;
    auto made = route.make(*setup);
    if (made) {
      routes.push_back(std::move(*made));
      continue;
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", route.name, made.error().message());
  }
  if (routes.empty()) return fail(ErrorKind::Unsupported, "find a route into CUDA memory", reasons);
  if (!reasons.empty()) logger("zerocopy").info("routes into CUDA memory that are not for this machine: {}", reasons);
  auto counters = std::make_shared<CudaCounters>();
  if (auto fine = try_surface(*setup, counters); !fine) return std::unexpected(std::move(fine.error()));
  auto host = make_vulkan_importer({.strict = options.strict, .device = setup->vulkan});
  if (!host) host = make_host_importer(kDefaultSurfaceLimit, nullptr, options.strict);
  logger("zerocopy").info("CUDA: {}, driver {}", setup->cuda->device().name, setup->cuda->driver().version_text());
  return make_device_importer(options, *setup, std::move(routes), std::move(*host), std::move(counters));
}

}  // namespace zc
