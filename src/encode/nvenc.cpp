#include "encode/nvenc.h"

#include "gpu/cuda/driver.h"

#include <algorithm>
#include <string>

namespace zc {

void configure_nvenc(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  const Preset preset = request.settings.preset;
  const bool live = preset == Preset::LowLatency;
  options.set("preset", std::string(request.native.name));
  options.set("tune", live ? "ull" : "hq");
  options.set("forced-idr", "1");
  if (request.row.codec == Codec::H264) {
    options.set("profile", request.settings.chroma == Chroma::Yuv444 ? "high444p" : "high");
  }
  // No B-frames and no lookahead: FFmpeg 5.1's wrapper counts dts in ticks of the time base behind the pts, which in a
  // 90 kHz clock lets dts pass pts; and a screen's still areas gain nothing from them. Set, because the wrapper would
  // otherwise take the preset's number.
  plan.b_frames = 0;
  options.set("rc-lookahead", "0");
  // How many pictures the wrapper collects before it gives one out: 0 and 1 wait for each, 2 lets the encoder work on
  // one while the next is captured.
  options.set("delay", std::to_string(std::min(2U, request.max_delay)));
  if (live) options.set("zerolatency", "1");
  if (request.settings.bit_rate) {
    set_vbv(request, plan);
    options.set("rc", live ? "cbr" : "vbr");
  } else {
    // Without a bit rate "vbr" with a target quality is NVENC's constant quality.
    options.set("rc", "vbr");
    options.set("cq", rate_factor(request));
  }
  if (!live) options.set("spatial-aq", "1");
  if (preset == Preset::Quality) options.set("multipass", "qres");
}

Result<void> nvenc_available() {
  const auto driver = cuda::Driver::load();
  if (!driver) return std::unexpected(driver.error());
  if (const auto devices = (*driver)->devices(); !devices) return std::unexpected(devices.error());
  return {};
}

}  // namespace zc
