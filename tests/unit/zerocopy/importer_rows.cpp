#include "unit/zerocopy/importer_rows.h"

#include "unit/zerocopy/device_support.h"
#include "unit/zerocopy/driver_calls.h"
#include "unit/zerocopy/tiled_support.h"
#include "zerocopy/gl/egl_converter.h"
#include "zerocopy/gl/gl_device.h"
#include "zerocopy/vulkan/vulkan_converter.h"

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

std::vector<std::unique_ptr<Converter>> only(std::unique_ptr<Converter> converter) {
  std::vector<std::unique_ptr<Converter>> one;
  one.push_back(std::move(converter));
  return one;
}

/// The chain goes on with the CPU when a converter cannot be opened.
std::unique_ptr<Importer> importer_by(Result<std::unique_ptr<Converter>> converter, Gpu gpu, std::size_t limit) {
  if (converter) gpu.converters = only(std::move(*converter));
  return make_gpu_importer(std::move(gpu), {.surface_limit = limit});
}

}  // namespace

std::unique_ptr<Importer> CpuRow::make(std::size_t limit) { return make_host_importer(limit); }
Frame CpuRow::frame(const RgbPicture& picture) { return frame_of(picture); }

std::unique_ptr<Importer> VulkanRow::make(std::size_t limit) {
  return importer_by(make_vulkan_converter(hooked_vulkan()), {.device = hooked_vulkan()}, limit);
}
Frame VulkanRow::frame(const RgbPicture& picture) { return in_dmabuf(picture); }

std::unique_ptr<Importer> EglRow::make(std::size_t limit) {
  return importer_by(make_egl_converter(hooked_gl()), {.device = hooked_vulkan()}, limit);
}
Frame EglRow::frame(const RgbPicture& picture) { return in_dmabuf(picture); }

std::unique_ptr<Importer> CudaByVulkanRow::make(std::size_t limit) {
  return importer_by(make_vulkan_converter(hooked_vulkan()), cuda_gpu(hooked_setup(), {}), limit);
}
Frame CudaByVulkanRow::frame(const RgbPicture& picture) { return in_dmabuf(picture); }

std::unique_ptr<Importer> CudaByEglRow::make(std::size_t limit) {
  return importer_by(make_egl_converter(hooked_gl()), cuda_gpu(hooked_setup(), {}), limit);
}
Frame CudaByEglRow::frame(const RgbPicture& picture) { return in_dmabuf(picture); }

void leave_thread() {
  if (const auto& device = hooked_gl_device()) (*device)->release_current();
}

}  // namespace zc::test
