#include "encode/vulkan_video.h"

#include "encode/av_types.h"
#include "gpu/device_nodes.h"

extern "C" {
#include <libavutil/hwcontext.h>
}

#include <string>

namespace zc {

void configure_vulkan_video(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  const bool live = request.settings.low_latency();
  plan.b_frames = 0;
  options.set("usage", live ? "stream" : "record");
  options.set("tune", live ? "ull" : "hq");
  options.set("content", "desktop");
  options.set("async_depth", live || request.max_delay < 2 ? "1" : "2");
  if (request.settings.bit_rate) {
    set_vbv(request, plan);
    options.set("rc_mode", request.settings.holds_rate() ? "cbr" : "vbr");
  } else {
    options.set("rc_mode", "cqp");
    options.set("qp", quantiser(request));
  }
}

Result<void> vulkan_video_available(const GpuChoice& /*gpu*/) {
  if (has_gpu_node()) return {};
  return fail(ErrorKind::Unsupported, "look for a graphics card",
              "there is none: no /dev/dri/renderD* and no /dev/nvidia0");
}

Result<AvBufferPtr> open_vulkan_video_device(const GpuChoice& gpu, Codec /*codec*/, unsigned /*bits*/) {
  if (gpu.binding()) {
    return fail(ErrorKind::Unsupported, "open Vulkan", "FFmpeg chooses the GPU for pictures of host memory itself");
  }
  AVBufferRef* device = nullptr;
  const int result = av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_VULKAN, nullptr, nullptr, 0);
  if (result < 0) {
    auto failure = fail_av(result, "open Vulkan");
    failure.error().kind = ErrorKind::Unsupported;
    return failure;
  }
  return AvBufferPtr(device);
}

}  // namespace zc
