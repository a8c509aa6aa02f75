#include "encode/nvenc.h"

#include "gpu/cuda/driver.h"
#include "media/picture_device.h"

#include <algorithm>
#include <optional>
#include <string>

namespace zc {

namespace {

const char* tune_of(const EncoderSettings& settings) {
  if (settings.lossless()) return "lossless";
  if (!settings.low_latency()) return "hq";
  return settings.tune == Tune::LowLatency ? "ll" : "ull";
}

/// Another vendor's: CUDA, whose start wakes every GPU of NVIDIA's, need not be asked.
bool foreign(const GpuAddress& gpu) { return !gpu.vendor.empty() && gpu.vendor != kNvidia; }

/// CUDA's number of the GPU; nullopt: it is none of its.
std::optional<int> ordinal_of(const GpuAddress& gpu) {
  if (gpu.pci.empty() || foreign(gpu)) return std::nullopt;
  const auto driver = cuda::Driver::load();
  const auto devices = driver ? (*driver)->devices() : std::unexpected(driver.error());
  if (!devices) return std::nullopt;
  const auto found = std::ranges::find(*devices, gpu.pci, &cuda::Device::pci);
  return found == devices->end() ? std::nullopt : std::optional(found->ordinal);
}

}  // namespace

void configure_nvenc(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  const EncoderSettings& settings = request.settings;
  const bool live = settings.low_latency();
  options.set("preset", std::string(request.native.name));
  options.set("tune", tune_of(settings));
  options.set("forced-idr", "1");
  if (request.row.codec == Codec::H264) {
    // Lossless coding is part of the 4:4:4 profile, whatever the chroma (H.264 A.2.10).
    const bool predictive = request.settings.chroma == Chroma::Yuv444 || request.settings.lossless();
    options.set("profile", predictive ? "high444p" : "high");
  }
  // No B-frames and no lookahead: FFmpeg 5.1's wrapper counts dts in ticks of the time base behind the pts, which in a
  // 90 kHz clock lets dts pass pts; and a screen's still areas gain nothing from them. Set, because the wrapper would
  // otherwise take the preset's number.
  plan.b_frames = 0;
  const unsigned lookahead = settings.lookahead.value_or(0);
  options.set("rc-lookahead", std::to_string(lookahead));
  // How many pictures the wrapper collects before it gives one out: 0 and 1 wait for each, 2 lets the encoder work on
  // one while the next is captured.
  options.set("delay", std::to_string(lookahead + std::min(2U, request.max_delay)));
  if (live) options.set("zerolatency", "1");
  if (settings.bit_rate) {
    set_vbv(request, plan);
    options.set("rc", settings.holds_rate() ? "cbr" : "vbr");
  } else if (settings.lossless()) {
    options.set("rc", "constqp");
    options.set("qp", "0");
  } else {
    // Without a bit rate "vbr" with a target quality is NVENC's constant quality.
    options.set("rc", "vbr");
    options.set("cq", rate_factor(request));
  }
  // Pictures in CUDA memory are encoded where they are.
  const bool on_host = !request.video.device || request.video.device->memory() != MemoryKind::Cuda;
  if (on_host && request.video.gpu.gpu) {
    if (const auto ordinal = ordinal_of(*request.video.gpu.gpu)) options.set("gpu", std::to_string(*ordinal));
  }
  const bool spatial = settings.spatial_aq.value_or(!live && !settings.lossless());
  if (spatial) options.set("spatial-aq", "1");
  if (settings.temporal_aq.value_or(false)) options.set("temporal-aq", "1");
  const bool patient = settings.preset == Preset::Quality || settings.preset == Preset::Archive;
  const Multipass passes = settings.multipass.value_or(patient ? Multipass::Quarter : Multipass::Off);
  if (passes != Multipass::Off) options.set("multipass", passes == Multipass::Quarter ? "qres" : "fullres");
  if (settings.intra_refresh) options.set("intra-refresh", "1");
}

Result<void> nvenc_available(const GpuChoice& gpu) {
  const auto not_there = [&] {
    return fail(ErrorKind::Unsupported, "look for the GPU", gpu.gpu->text() + " is not a GPU of NVIDIA's driver");
  };
  if (gpu.binding() && foreign(*gpu.gpu)) return not_there();
  const auto driver = cuda::Driver::load();
  if (!driver) return std::unexpected(driver.error());
  if (const auto devices = (*driver)->devices(); !devices) return std::unexpected(devices.error());
  if (gpu.binding() && !ordinal_of(*gpu.gpu)) return not_there();
  return {};
}

}  // namespace zc
