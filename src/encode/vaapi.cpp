#include "encode/vaapi.h"

#include "encode/av_types.h"
#include "gpu/render_nodes.h"
#include "gpu/vaapi/device.h"

extern "C" {
#include <libavutil/hwcontext.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace zc {
namespace {

/// In the order in which they are asked.
std::vector<std::string> nodes_for(const GpuChoice& choice) {
  std::vector<std::string> nodes = render_nodes();
  if (!choice.gpu) return nodes;
  const auto chosen = [&](const std::string& node) { return node == choice.gpu->render_node; };
  const auto others = std::ranges::stable_partition(nodes, chosen);
  if (choice.binding()) nodes.erase(others.begin(), others.end());
  return nodes;
}

}  // namespace

void configure_vaapi(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  const bool live = request.settings.low_latency();
  // No B-frames: not every driver has them, and a screen's still areas gain nothing.
  plan.b_frames = 0;
  if (request.row.codec == Codec::H264) options.set("profile", "high");
  // How many pictures the wrapper has under way before it waits for the oldest: with 1 each comes out at once.
  options.set("async_depth", live || request.max_delay < 2 ? "1" : "2");
  if (request.settings.bit_rate) {
    set_vbv(request, plan);
    options.set("rc_mode", request.settings.holds_rate() ? "CBR" : "VBR");
  } else {
    // Every driver has constant QP; ICQ is Intel's alone.
    options.set("rc_mode", "CQP");
    options.set("global_quality", quantiser(request));
    options.set("flags", "+qscale");
  }
}

Result<void> vaapi_available(const GpuChoice& gpu) {
  if (!nodes_for(gpu).empty()) return {};
  return fail(ErrorKind::Unsupported, "look for a graphics card",
              gpu.binding() ? gpu.gpu->text() + " has no render node" : "there is no render node (/dev/dri/renderD*)");
}

Result<AvBufferPtr> open_vaapi_device(const GpuChoice& gpu, Codec codec, unsigned bits) {
  std::string reasons;
  for (const std::string& node : nodes_for(gpu)) {
    auto device = vaapi::Device::open(node);
    if (device && (*device)->encodes(codec, bits)) return (*device)->av_device();
    const std::string reason =
        device ? fmt::format("{} encodes no {} of {} bits", (*device)->vendor(), to_string(codec), bits)
               : device.error().detail;
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", node, reason);
  }
  return fail(ErrorKind::Unsupported, "open VA-API", reasons.empty() ? "there is no render node" : reasons);
}

}  // namespace zc
