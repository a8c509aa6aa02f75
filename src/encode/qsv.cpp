#include "encode/qsv.h"

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <string>
#include <vector>

namespace zc {

void configure_qsv(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  // FFmpeg 6.0's wrapper resets the encoder for a changed bit rate or frame rate; 5.1's knows quantisers only.
  const bool newer = avcodec_version() >= AV_VERSION_INT(60, 0, 0);
  plan.live_bitrate = plan.live_rate = newer;
  const bool live = request.settings.low_latency();
  options.set("preset", std::string(request.native.name));
  options.set("forced_idr", "1");
  plan.b_frames = 0;
  // Pictures under way before the wrapper waits for the oldest.
  options.set("async_depth", live || request.max_delay < 2 ? "1" : "2");
  if (live && newer && request.row.codec != Codec::AV1) options.set("scenario", "displayremoting");
  if (request.row.codec == Codec::H264) options.set("profile", "high");
  if (request.settings.bit_rate) {
    set_vbv(request, plan);
    // VBV in bits of the chosen rate; with maxrate equal to it the wrapper takes CBR.
    if (live) options.set("low_delay_brc", "1");
  } else {
    options.set("global_quality", rate_factor(request));  // intelligent constant quality
  }
}

Result<void> qsv_available(const GpuChoice& gpu) {
  std::vector<GpuAddress> cards = machine_gpus();
  std::erase_if(cards, [](const GpuAddress& card) { return card.vendor != kIntel; });
  if (gpu.binding() && cards != std::vector{*gpu.gpu}) {
    return fail(ErrorKind::Unsupported, "choose the graphics card",
                gpu.gpu->text() + " is not the only GPU of Intel's");
  }
  if (!cards.empty()) return {};
  return fail(ErrorKind::Unsupported, "look for an Intel graphics card", "there is no render node of one");
}

}  // namespace zc
