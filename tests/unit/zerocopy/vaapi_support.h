// Helpers of the tests of surfaces in VA-API memory, on lavapipe and the stand-in VA driver.
#pragma once

#include "gpu/render_nodes.h"
#include "gpu/vaapi/device.h"
#include "softva/support.h"
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/tiled_support.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/vaapi/vaapi_target.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc::test {

inline SurfaceFormat in_vaapi(PixelFormat format, Size size, ColourDescription colour = kBt709Limited) {
  return {.format = format, .size = size, .colour = colour, .memory = MemoryKind::Vaapi};
}

inline std::shared_ptr<const vaapi::Device> vaapi_device() {
  const auto nodes = render_nodes();
  REQUIRE_FALSE(nodes.empty());
  auto device = vaapi::Device::open(nodes.front());
  if (!device) FAIL(device.error().message());
  return std::move(*device);
}

/// Skips the test where there is no lavapipe with DRM modifiers.
inline Result<Gpu> vaapi_gpu(std::string_view converter = "vulkan") {
  return open_vaapi_gpu(tiled_device(), vaapi_device(), {.converter = converter});
}

inline std::unique_ptr<Importer> vaapi_importer(GpuImporterOptions options = {},
                                                std::string_view converter = "vulkan") {
  auto gpu = vaapi_gpu(converter);
  if (!gpu) FAIL(gpu.error().message());
  return make_gpu_importer(std::move(*gpu), std::move(options));
}

inline Frame dmabuf_frame(const RgbPicture& picture, PixelFormat format = PixelFormat::BGRx) {
  Frame frame;
  frame.image = memfd_dmabuf(picture, format);
  frame.damage = Damage::all();
  return frame;
}

/// The picture in host memory, for comparison.
inline Surface readable(const Surface& surface) {
  if (surface.format().memory == MemoryKind::Host) return surface.share();
  AvFramePtr frame(av_frame_alloc());
  REQUIRE(frame);
  REQUIRE(av_hwframe_transfer_data(frame.get(), surface.av_frame(), 0) == 0);
  SurfaceFormat format = surface.format();
  format.memory = MemoryKind::Host;
  return Surface(std::move(frame), format);
}

}  // namespace zc::test
