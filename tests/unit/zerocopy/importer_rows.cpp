#include "unit/zerocopy/importer_rows.h"

#include "unit/zerocopy/device_support.h"
#include "unit/zerocopy/driver_calls.h"
#include "unit/zerocopy/tiled_support.h"
#include "zerocopy/device/vulkan_route.h"
#include "zerocopy/gl/egl_copy_route.h"
#include "zerocopy/gl/egl_route.h"
#include "zerocopy/gl/gl_device.h"

#include <ffnvcodec/dynlink_loader.h>

#include <vector>

namespace zc::test {
namespace {

Frame in_dmabuf(const RgbPicture& picture) {
  Frame frame;
  frame.image = memfd_dmabuf(picture, PixelFormat::BGRx);
  frame.damage = Damage::all();
  return frame;
}

/// Drivers are opened once for the process: that takes longer than most tests.
std::shared_ptr<VulkanDevice> hooked_vulkan() {
  const auto device = tiled_device();  // skips the test where there is none
  static const bool hooked = [&] {
    DriverCalls::hook(*device);
    return true;
  }();
  REQUIRE(hooked);
  return device;
}

const Result<std::shared_ptr<GlDevice>>& hooked_gl_device() {
  static const auto device = [] {
    auto opened = open_gl_device(*hooked_vulkan());
    if (opened) DriverCalls::hook(**opened);
    return opened;
  }();
  return device;
}

std::shared_ptr<GlDevice> hooked_gl() {
  const auto& device = hooked_gl_device();
  if (!device) SKIP("no EGL device: " << device.error().message());
  return *device;
}

Result<std::shared_ptr<const cuda::Context>> hooked_context() {
  const auto real = cuda::Driver::load();  // stays loaded
  if (!real) return std::unexpected(real.error());
  auto functions = std::make_unique<CudaFunctions>((*real)->api());
  DriverCalls::hook(*functions);
  cuda::MoreFunctions more = (*real)->more();
  DriverCalls::hook(more);
  const auto driver =
      cuda::Driver::create({functions.release(), [](CudaFunctions* copy) { delete copy; }}, (*real)->version(), more);
  if (!driver) return std::unexpected(driver.error());
  const auto devices = (*driver)->devices();
  if (!devices) return std::unexpected(devices.error());
  for (const cuda::Device& device : *devices) {
    if (device.uuid == hooked_vulkan()->gpu().uuid) return cuda::Context::open(*driver, device);
  }
  return fail(ErrorKind::NotFound, "find lavapipe's CUDA device", "it is not there");
}

DeviceSetup hooked_setup() {
  auto vulkan = hooked_vulkan();
  static const auto context = hooked_context();
  if (!context) FAIL(context.error().message());
  return {std::move(vulkan), *context};
}

std::unique_ptr<Importer> by_route(const DeviceSetup& setup, std::unique_ptr<DeviceConverter> route,
                                   std::size_t limit) {
  std::vector<std::unique_ptr<DeviceConverter>> routes;
  if (route) routes.push_back(std::move(route));
  return make_device_importer({.surface_limit = limit}, setup, std::move(routes), make_cpu_importer(), nullptr);
}

}  // namespace

std::unique_ptr<Importer> CpuRow::make(std::size_t limit) { return make_cpu_importer(limit); }
Frame CpuRow::frame(const RgbPicture& picture) { return frame_of(picture); }

std::unique_ptr<Importer> VulkanRow::make(std::size_t limit) {
  auto made = make_vulkan_importer({.surface_limit = limit, .device = hooked_vulkan()});
  // As the chain does when a route cannot be opened.
  return made ? std::move(*made) : make_cpu_importer(limit);
}
Frame VulkanRow::frame(const RgbPicture& picture) { return in_dmabuf(picture); }

std::unique_ptr<Importer> CudaByVulkanRow::make(std::size_t limit) {
  const DeviceSetup setup = hooked_setup();
  auto route = make_vulkan_route(setup);
  return by_route(setup, route ? std::move(*route) : nullptr, limit);
}
Frame CudaByVulkanRow::frame(const RgbPicture& picture) { return in_dmabuf(picture); }

std::unique_ptr<Importer> CudaByEglRow::make(std::size_t limit) {
  const DeviceSetup setup = hooked_setup();
  return by_route(setup, make_egl_route(hooked_gl()), limit);
}
Frame CudaByEglRow::frame(const RgbPicture& picture) { return in_dmabuf(picture); }

std::unique_ptr<Importer> CudaByEglCopyRow::make(std::size_t limit) {
  const DeviceSetup setup = hooked_setup();
  return by_route(setup, make_egl_copy_route(hooked_gl(), setup.cuda), limit);
}
Frame CudaByEglCopyRow::frame(const RgbPicture& picture) { return in_dmabuf(picture); }

void leave_thread() {
  if (const auto& device = hooked_gl_device()) (*device)->release_current();
}

}  // namespace zc::test
