#include "encode/encoder_table.h"

#include "encode/nvenc.h"
#include "encode/rate_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace zc {
namespace {

using enum PixelFormat;

/// Preset::Quality may use 60 % of the machine instead of 25 %.
constexpr double kQualityLoadFactor = 2.4;

// Behind each preset: measured CPU milliseconds per 1280x720 picture of full-screen motion (a zooming fractal with a
// moving test pattern in it), two threads on two busy hardware threads of one 2.5 GHz Xeon core, FFmpeg 5.1 with x264
// 164, x265 3.5 and SVT-AV1 1.4.1. max_load is a quarter of the megapixels per second that one processor makes of it.
constexpr std::array kX264Presets = {
    NativePreset{"medium", 4.4, 40, 3},         // 53
    NativePreset{"fast", 5.2, 30, 3},           // 45
    NativePreset{"faster", 6.5, 20, 3},         // 35
    NativePreset{"veryfast", 11.5, 10, 3},      // 20
    NativePreset{"superfast", 18.0, 0, 3},      // 13
    NativePreset{"ultrafast", kAnyLoad, 0, 0},  // 5.5
};
constexpr std::array kX265Presets = {
    NativePreset{"fast", 2.4, 15, 4},           // 95
    NativePreset{"veryfast", 3.7, 15, 4},       // 62
    NativePreset{"superfast", 4.6, 10, 3},      // 49
    NativePreset{"ultrafast", kAnyLoad, 5, 3},  // 35
};
// Lookahead and B-frames are SVT-AV1's prediction structure, which configure_svtav1() chooses. 11 and above are faster
// and wrong: they leave out what a flat block lacks, so that a square that turned white stays grey until the next
// keyframe (1.4.1: half of the test marks on a screen are illegible, at any quality).
constexpr std::array kSvtPresets = {
    NativePreset{"8", 1.6, 0, 0},        // 144
    NativePreset{"9", 2.8, 0, 0},        // 83
    NativePreset{"10", kAnyLoad, 0, 0},  // 63
};

/// Lookahead and B-frames that fit into what remains of the allowed delay.
struct Depth {
  unsigned lookahead;
  unsigned b_frames;
};
Depth fit_depth(const NativePreset& native, unsigned remaining) {
  const unsigned b_frames = std::min(native.b_frames, remaining / 3);
  return {std::min(native.lookahead, remaining - b_frames), b_frames};
}

void configure_x264(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  options.set("preset", std::string(request.native.name));
  options.set("forced-idr", "1");
  if (request.settings.bit_rate) {
    set_vbv(request, plan);
  } else {
    options.set("crf", rate_factor(request));
  }
  if (request.settings.preset == Preset::LowLatency) {
    // Slices instead of frames in parallel, no lookahead, no VFR input (which costs one picture of delay).
    options.set("tune", "zerolatency");
    plan.threads = static_cast<int>(std::min(request.processors, 8U));
    return;
  }
  // Inside: threads - 1 pictures being coded, the lookahead, the B-frames, and one for VFR input's durations.
  const unsigned threads = std::clamp(request.max_delay / 3, 1U, std::min(request.processors, 12U));
  const unsigned taken = threads;  // threads - 1, + 1 for VFR
  const Depth depth = fit_depth(request.native, request.max_delay - std::min(request.max_delay, taken));
  plan.threads = static_cast<int>(threads);
  plan.b_frames = static_cast<int>(depth.b_frames);
  options.set("rc-lookahead", std::to_string(depth.lookahead));
  options.parameter("sync-lookahead", "0");
}

void configure_x265(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  options.set("preset", std::string(request.native.name));
  options.set("forced-idr", "1");
  options.parameter("log-level", "none");  // x265 writes to stderr by itself
  options.parameter("pools", std::to_string(request.processors));
  if (request.settings.bit_rate) {
    set_vbv(request, plan);
  } else {
    options.set("crf", rate_factor(request));
  }
  if (request.settings.preset == Preset::LowLatency) {
    // libavcodec overwrites the tune's single frame thread with thread_count: it stays 1 here, rows run in parallel.
    options.set("tune", "zerolatency");
    plan.threads = 1;
    return;
  }
  const unsigned threads = std::clamp(request.max_delay / 4, 1U, std::clamp(request.processors / 2, 1U, 4U));
  // Inside: the frame threads, up to three pictures between its stages (two, and one more when its threads get too
  // little time), the lookahead and the B-frames.
  const Depth depth = fit_depth(request.native, request.max_delay - std::min(request.max_delay, threads + 3));
  // x265 wants the lookahead longer than a run of B-frames.
  const unsigned b_frames = std::min(depth.b_frames, depth.lookahead == 0 ? 0 : depth.lookahead - 1);
  plan.threads = static_cast<int>(threads);
  plan.b_frames = static_cast<int>(b_frames);
  options.parameter("rc-lookahead", std::to_string(depth.lookahead));
}

void configure_svtav1(const EncoderRequest& request, CodecPlan& plan, OptionList& options) {
  options.set("preset", std::string(request.native.name));
  // "lp" became a level from 0 to 6 in SVT-AV1 3.0; before, it counted processors. 0 is all of them in both.
  if (request.video.threads != 0) options.parameter("lp", std::to_string(std::min(request.processors, 6U)));
  plan.threads = static_cast<int>(request.processors);
  if (request.settings.bit_rate) {
    options.parameter("rc", "2");  // constant rate; the only one without a long lookahead
  } else {
    options.set("crf", rate_factor(request));
    // Takes a seventh of the time and makes some test marks illegible; a constant rate needs it.
    options.parameter("aq-mode", "0");
  }
  // Random access saves a sixth of the bits and keeps a mini-GOP with its references inside: 12 pictures with 3 levels,
  // 8 with 2 (SVT-AV1 1.4, temporal filter and lookahead off), and up to 3 more that its threads are busy with.
  const unsigned levels = request.max_delay >= 16 ? 3 : request.max_delay >= 12 ? 2 : 0;
  if (levels == 0 || request.settings.bit_rate) {
    options.parameter("pred-struct", "1");
    plan.forces_keyframes = false;  // SVT-AV1 forces keyframes with random access and constant quality only
    return;
  }
  options.parameter("pred-struct", "2");
  options.parameter("hierarchical-levels", std::to_string(levels));
  options.parameter("lookahead", "0");
  options.parameter("enable-tf", "0");
  options.parameter("enable-force-key-frames", "1");
}

constexpr std::array kRows = {
    EncoderRow{"h264_nvenc",
               Codec::H264,
               "nvenc",
               "NVIDIA's H.264 encoder (NVENC)",
               {NV12, I444, Unknown, Unknown, Unknown, Unknown},
               kNvencMinSize,
               1,
               51,
               {25, 23, 20},
               "",
               kNvencPresets,
               true,
               false,
               "",
               configure_nvenc,
               nvenc_available,
               true},
    EncoderRow{"hevc_nvenc",
               Codec::HEVC,
               "nvenc",
               "NVIDIA's HEVC encoder (NVENC)",
               {NV12, P010, I444, Unknown, Unknown, Unknown},
               kNvencMinSize,
               1,
               51,
               {28, 26, 22},
               "",
               kNvencPresets,
               true,
               false,
               "",
               configure_nvenc,
               nvenc_available,
               true},
    EncoderRow{"av1_nvenc",
               Codec::AV1,
               "nvenc",
               "NVIDIA's AV1 encoder (NVENC)",
               {NV12, P010, Unknown, Unknown, Unknown, Unknown},
               kNvencMinSizeAv1,
               1,
               63,
               {35, 32, 28},
               "",
               kNvencPresets,
               true,
               false,
               "",
               configure_nvenc,
               nvenc_available,
               true},
    EncoderRow{"libx264",
               Codec::H264,
               "software",
               "x264 H.264 encoder on the CPU",
               // x264 works on NV12 inside: given NV12 its own copy is a plain one.
               {NV12, I420, I010, I444, I410, Unknown},
               {16, 16},
               0,
               51,
               {23, 23, 20},
               "x264-params",
               kX264Presets,
               true,
               false,
               "",
               configure_x264},
    EncoderRow{"libx265",
               Codec::HEVC,
               "software",
               "x265 HEVC encoder on the CPU",
               {I420, I010, I444, I410, Unknown, Unknown},
               {16, 16},
               0,
               51,
               {26, 26, 22},
               "x265-params",
               kX265Presets,
               false,
               false,
               "",
               configure_x265},
    EncoderRow{"libsvtav1",
               Codec::AV1,
               "software",
               "SVT-AV1 encoder on the CPU",
               {I420, I010, Unknown, Unknown, Unknown, Unknown},
               {64, 64},
               1,
               63,
               {35, 35, 28},
               "svtav1-params",
               kSvtPresets,
               false,
               true,
               "libavcodec asks SVT-AV1 for a packet only after giving it a picture and does not wait for it: a packet "
               "comes out with the next picture at the earliest",
               configure_svtav1},
};

Chroma chroma_of(PixelFormat format) { return info(format).chroma_shift_x == 0 ? Chroma::Yuv444 : Chroma::Yuv420; }

std::string_view to_string(Chroma chroma) { return chroma == Chroma::Yuv444 ? "4:4:4" : "4:2:0"; }

}  // namespace

void OptionList::set(std::string_view key, std::string value) {
  const auto it = std::ranges::find(options_, key, [](const auto& o) { return std::string_view(o.first); });
  if (it == options_.end()) {
    options_.emplace_back(key, std::move(value));
  } else if (key == parameter_option_) {
    it->second += ':' + value;
  } else {
    it->second = std::move(value);
  }
}

void OptionList::parameter(std::string_view key, std::string_view value) {
  set(parameter_option_, fmt::format("{}={}", key, value));
}

std::optional<std::string_view> OptionList::find(std::string_view key) const {
  const auto it = std::ranges::find(options_, key, [](const auto& o) { return std::string_view(o.first); });
  return it == options_.end() ? std::nullopt : std::optional<std::string_view>(it->second);
}

std::optional<PixelFormat> EncoderRow::input_format(unsigned bit_depth, Chroma chroma) const {
  for (const PixelFormat format : formats) {
    if (format == Unknown) break;
    if (info(format).bits == bit_depth && chroma_of(format) == chroma) return format;
  }
  return std::nullopt;
}

std::string EncoderRow::capabilities() const {
  std::string text;
  for (const Chroma chroma : {Chroma::Yuv420, Chroma::Yuv444}) {
    for (const unsigned bits : {8U, 10U}) {
      if (!input_format(bits, chroma)) continue;
      text += fmt::format("{}{} bit {}", text.empty() ? "" : ", ", bits, to_string(chroma));
    }
  }
  return text;
}

std::span<const EncoderRow> encoder_rows() { return kRows; }

const EncoderRow* find_encoder_row(std::string_view name) {
  const auto it = std::ranges::find(kRows, name, &EncoderRow::name);
  return it == kRows.end() ? nullptr : &*it;
}

std::string encoder_names() {
  std::string names;
  for (const EncoderRow& row : kRows) names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  return names;
}

Result<void> validate_for(const EncoderRow& row, const EncoderSettings& settings, const VideoParameters& video) {
  if (auto ok = validate(settings); !ok) return ok;
  if (auto ok = validate(video); !ok) return ok;
  if (settings.codec && *settings.codec != row.codec) {
    return fail(ErrorKind::Invalid, std::string(row.name),
                fmt::format("it encodes {}, not {}", to_string(row.codec), to_string(*settings.codec)));
  }
  if (settings.crf && (*settings.crf < row.min_crf || *settings.crf > row.max_crf)) {
    return fail(ErrorKind::Invalid, fmt::format("crf of {}", row.name),
                fmt::format("{} is not in {} to {}", *settings.crf, row.min_crf, row.max_crf));
  }
  if (!row.input_format(settings.bit_depth, settings.chroma)) {
    return fail(ErrorKind::Unsupported, std::string(row.name),
                fmt::format("it cannot encode {} bit {}, only {}", settings.bit_depth, to_string(settings.chroma),
                            row.capabilities()));
  }
  if (video.size.width < row.min_size.width || video.size.height < row.min_size.height) {
    return fail(ErrorKind::Unsupported, std::string(row.name),
                fmt::format("it encodes pictures from {}x{} on, not {}x{}", row.min_size.width, row.min_size.height,
                            video.size.width, video.size.height));
  }
  return {};
}

const NativePreset& choose_native_preset(const EncoderRow& row, const EncoderSettings& settings,
                                         const VideoParameters& video, unsigned processors) {
  for (const auto& [key, value] : settings.options) {
    if (key != "preset") continue;
    const auto it = std::ranges::find(row.presets, std::string_view(value), &NativePreset::name);
    if (it != row.presets.end()) return *it;
  }
  const double pixels = static_cast<double>(video.size.area()) * video.rate.value();
  const double load = pixels / 1e6 / (row.hardware() ? 1U : std::max(1U, processors));
  const double factor = settings.preset == Preset::Quality ? kQualityLoadFactor : 1.0;
  const auto it = std::ranges::find_if(row.presets, [&](const NativePreset& p) { return load <= p.max_load * factor; });
  return it == row.presets.end() ? row.presets.back() : *it;
}

}  // namespace zc
