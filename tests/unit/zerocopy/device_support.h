// Helpers of the tests of surfaces in CUDA memory, on lavapipe and the software NVIDIA driver.
#pragma once

#include "gpu/cuda/context.h"
#include "softgpu/control.h"
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/cuda/cuda_memory.h"
#include "zerocopy/cuda/cuda_target.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/open_gpu.h"

#include <dlfcn.h>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc::test {

/// The stand-in is found as the program finds the real one; it is never unloaded.
template <class Function>
Function* softgpu_function(const char* name) {
  void* library = dlopen("libcuda.so.1", RTLD_LAZY);
  REQUIRE(library != nullptr);
  auto* function = reinterpret_cast<Function*>(dlsym(library, name));
  REQUIRE(function != nullptr);
  return function;
}

/// Faults while this lives; none afterwards.
class Faults {
 public:
  explicit Faults(const char* text) {
    REQUIRE(softgpu_function<decltype(softgpu_set_faults)>("softgpu_set_faults")(text));
  }
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
  ~Faults() { softgpu_function<decltype(softgpu_set_faults)>("softgpu_set_faults")(""); }
};

inline softgpu::LiveObjects live_objects() {
  softgpu::LiveObjects live;
  softgpu_function<decltype(softgpu_live_objects)>("softgpu_live_objects")(&live);
  return live;
}

struct DeviceSetup {
  std::shared_ptr<VulkanDevice> vulkan;
  std::shared_ptr<const cuda::Context> cuda;
};
/// For surfaces in CUDA memory, with converters of the caller's choice. `counters` may be null.
inline Gpu cuda_gpu(const DeviceSetup& setup, std::vector<std::unique_ptr<Converter>> converters,
                    std::shared_ptr<CudaCounters> counters = nullptr) {
  return {.device = setup.vulkan,
          .converters = std::move(converters),
          .encoder_device = setup.cuda,
          .make_target = [setup, counters](const SurfaceFormat& format, std::size_t limit) {
            return make_cuda_target(setup.vulkan, setup.cuda, format, limit, counters);
          }};
}
/// lavapipe and the CUDA device with its UUID.
inline DeviceSetup device_setup() {
  const auto vulkan = vulkan_device(VulkanUse::LinearDmabuf);
  auto context = cuda::open_context(vulkan->gpu().uuid);
  if (!context) FAIL(context.error().message());
  return {vulkan, *context};
}

/// The picture in host memory, for comparison.
inline Surface downloaded(const Surface& surface) {
  AvFramePtr frame(av_frame_alloc());
  REQUIRE(frame);
  REQUIRE(av_hwframe_transfer_data(frame.get(), surface.av_frame(), 0) == 0);
  SurfaceFormat format = surface.format();
  format.memory = MemoryKind::Host;
  return Surface(std::move(frame), format);
}

inline SurfaceFormat in_cuda(PixelFormat format, Size size) {
  return {.format = format, .size = size, .colour = kBt709Limited, .memory = MemoryKind::Cuda};
}

inline Frame dmabuf_frame(const RgbPicture& picture, PixelFormat format = PixelFormat::BGRx) {
  Frame frame;
  frame.image = memfd_dmabuf(picture, format);
  frame.damage = Damage::all();
  return frame;
}

}  // namespace zc::test
