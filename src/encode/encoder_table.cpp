#include "encode/encoder_table.h"

#include "encode/nvenc.h"
#include "encode/qsv.h"
#include "encode/software_encoders.h"
#include "encode/vaapi.h"
#include "encode/vulkan_video.h"

extern "C" {
#include <libavcodec/version.h>
#include <libavutil/pixfmt.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace zc {
namespace {

using enum PixelFormat;

/// Preset::Quality may use 60 % of the machine instead of 25 %.
constexpr double kQualityLoadFactor = 2.4;

// B-frames of NVENC: see configure_nvenc(). SVT-AV1's low-delay structure has a constant rate only.
constexpr std::array kX264Features = {Feature::BFrames,      Feature::Lookahead, Feature::SpatialAq,
                                      Feature::IntraRefresh, Feature::Lossless,  Feature::VariableRate,
                                      Feature::Rgb};
constexpr std::array kX265Features = {Feature::BFrames,      Feature::Lookahead,  Feature::SpatialAq,
                                      Feature::IntraRefresh, Feature::Lossless,   Feature::VariableRate,
                                      Feature::Rgb,          Feature::HdrMetadata};
constexpr std::array kSvtFeatures = {Feature::HdrMetadata};
constexpr std::array kNvencFeatures = {Feature::Lookahead,   Feature::SpatialAq,    Feature::TemporalAq,
                                       Feature::Multipass,   Feature::IntraRefresh, Feature::Lossless,
                                       Feature::VariableRate};
constexpr std::array kNvencAv1Features = {Feature::Lookahead, Feature::SpatialAq,    Feature::TemporalAq,
                                          Feature::Multipass, Feature::IntraRefresh, Feature::VariableRate};
constexpr std::array kRateFeatures = {Feature::VariableRate};
constexpr std::array kHdrFeatures = {Feature::VariableRate, Feature::HdrMetadata};
// What libavcodec's wrappers read from beside the pictures: hevc_vaapi in every version, these here (in 7.1's source;
// Quick Sync further asks for a recent runtime), NVENC's in none of them.
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 19, 100)
constexpr std::span<const Feature> kNewHdrFeatures = kHdrFeatures;
#else
constexpr std::span<const Feature> kNewHdrFeatures = kRateFeatures;
#endif

constexpr std::array kRows = {
    EncoderRow{"h264_nvenc",
               Codec::H264,
               "nvenc",
               "NVIDIA's H.264 encoder (NVENC)",
               {NV12, I444, Unknown, Unknown, Unknown, Unknown},
               kNvencMinSize,
               1,
               51,
               {25, 23, 20, 0, 17},
               "",
               kNvencPresets,
               true,
               false,
               "",
               configure_nvenc,
               nvenc_available,
               MemoryKind::Cuda,
               nullptr,
               -1,
               kNvencFeatures},
    EncoderRow{"hevc_nvenc",
               Codec::HEVC,
               "nvenc",
               "NVIDIA's HEVC encoder (NVENC)",
               {NV12, P010, I444, Unknown, Unknown, Unknown},
               kNvencMinSize,
               1,
               51,
               {28, 26, 22, 0, 19},
               "",
               kNvencPresets,
               true,
               false,
               "",
               configure_nvenc,
               nvenc_available,
               MemoryKind::Cuda,
               nullptr,
               -1,
               kNvencFeatures},
    EncoderRow{"av1_nvenc",
               Codec::AV1,
               "nvenc",
               "NVIDIA's AV1 encoder (NVENC)",
               {NV12, P010, Unknown, Unknown, Unknown, Unknown},
               kNvencMinSizeAv1,
               1,
               63,
               {35, 32, 28, 0, 22},
               "",
               kNvencPresets,
               true,
               false,
               "",
               configure_nvenc,
               nvenc_available,
               MemoryKind::Cuda,
               nullptr,
               -1,
               kNvencAv1Features},
    EncoderRow{.name = "h264_vaapi",
               .codec = Codec::H264,
               .backend = "vaapi",
               .description = "H.264 encoder of the graphics card (VA-API)",
               .formats = {NV12, Unknown, Unknown, Unknown, Unknown, Unknown},
               .min_size = kVaapiMinSize,
               .min_crf = 1,
               .max_crf = 51,
               .default_crf = {25, 23, 20, 0, 17},
               .parameter_option = "",
               .presets = kVaapiPresets,
               .live_bitrate = false,
               .drain_before_close = false,
               .low_latency_caveat = "",
               .configure = configure_vaapi,
               .available = vaapi_available,
               .device_memory = MemoryKind::Vaapi,
               .open_device = open_vaapi_device,
               .device_format = AV_PIX_FMT_VAAPI,
               .features = kRateFeatures},
    EncoderRow{.name = "hevc_vaapi",
               .codec = Codec::HEVC,
               .backend = "vaapi",
               .description = "HEVC encoder of the graphics card (VA-API)",
               .formats = {NV12, P010, Unknown, Unknown, Unknown, Unknown},
               .min_size = kVaapiMinSize,
               .min_crf = 1,
               .max_crf = 51,
               .default_crf = {28, 26, 22, 0, 19},
               .parameter_option = "",
               .presets = kVaapiPresets,
               .live_bitrate = false,
               .drain_before_close = false,
               .low_latency_caveat = "",
               .configure = configure_vaapi,
               .available = vaapi_available,
               .device_memory = MemoryKind::Vaapi,
               .open_device = open_vaapi_device,
               .device_format = AV_PIX_FMT_VAAPI,
               .features = kHdrFeatures},
    EncoderRow{.name = "av1_vaapi",
               .codec = Codec::AV1,
               .backend = "vaapi",
               .description = "AV1 encoder of the graphics card (VA-API)",
               .formats = {NV12, P010, Unknown, Unknown, Unknown, Unknown},
               .min_size = kVaapiMinSize,
               .min_crf = 1,
               .max_crf = 63,
               .default_crf = {35, 32, 28, 0, 22},
               .parameter_option = "",
               .presets = kVaapiPresets,
               .live_bitrate = false,
               .drain_before_close = false,
               .low_latency_caveat = "",
               .configure = configure_vaapi,
               .available = vaapi_available,
               .device_memory = MemoryKind::Vaapi,
               .open_device = open_vaapi_device,
               .device_format = AV_PIX_FMT_VAAPI,
               .features = kNewHdrFeatures},
    EncoderRow{.name = "h264_qsv",
               .codec = Codec::H264,
               .backend = "qsv",
               .description = "Intel's H.264 encoder (Quick Sync Video)",
               .formats = {NV12, Unknown, Unknown, Unknown, Unknown, Unknown},
               .min_size = kQsvMinSize,
               .min_crf = 1,
               .max_crf = 51,
               .default_crf = {25, 23, 20, 0, 17},
               .parameter_option = "",
               .presets = kQsvPresets,
               .live_bitrate = true,
               .drain_before_close = false,
               .low_latency_caveat = "",
               .configure = configure_qsv,
               .available = qsv_available,
               .device_memory = MemoryKind::Host,
               .open_device = nullptr,
               .device_format = -1,
               .features = kRateFeatures},
    EncoderRow{.name = "hevc_qsv",
               .codec = Codec::HEVC,
               .backend = "qsv",
               .description = "Intel's HEVC encoder (Quick Sync Video)",
               .formats = {NV12, P010, Unknown, Unknown, Unknown, Unknown},
               .min_size = kQsvMinSize,
               .min_crf = 1,
               .max_crf = 51,
               .default_crf = {28, 26, 22, 0, 19},
               .parameter_option = "",
               .presets = kQsvPresets,
               .live_bitrate = true,
               .drain_before_close = false,
               .low_latency_caveat = "",
               .configure = configure_qsv,
               .available = qsv_available,
               .device_memory = MemoryKind::Host,
               .open_device = nullptr,
               .device_format = -1,
               .features = kNewHdrFeatures},
    EncoderRow{.name = "av1_qsv",
               .codec = Codec::AV1,
               .backend = "qsv",
               .description = "Intel's AV1 encoder (Quick Sync Video)",
               .formats = {NV12, P010, Unknown, Unknown, Unknown, Unknown},
               .min_size = kQsvMinSize,
               .min_crf = 1,
               .max_crf = 51,
               .default_crf = {35, 32, 28, 0, 22},
               .parameter_option = "",
               .presets = kQsvPresets,
               .live_bitrate = true,
               .drain_before_close = false,
               .low_latency_caveat = "",
               .configure = configure_qsv,
               .available = qsv_available,
               .device_memory = MemoryKind::Host,
               .open_device = nullptr,
               .device_format = -1,
               .features = kNewHdrFeatures},
    EncoderRow{.name = "h264_vulkan",
               .codec = Codec::H264,
               .backend = "vulkan",
               .description = "H.264 encoder of the graphics card (Vulkan Video)",
               .formats = {NV12, Unknown, Unknown, Unknown, Unknown, Unknown},
               .min_size = kVulkanVideoMinSize,
               .min_crf = 1,
               .max_crf = 51,
               .default_crf = {25, 23, 20, 0, 17},
               .parameter_option = "",
               .presets = kVulkanVideoPresets,
               .live_bitrate = false,
               .drain_before_close = false,
               .low_latency_caveat = "",
               .configure = configure_vulkan_video,
               .available = vulkan_video_available,
               .device_memory = MemoryKind::Vulkan,
               .open_device = open_vulkan_video_device,
               .device_format = AV_PIX_FMT_VULKAN,
               .features = kRateFeatures},
    EncoderRow{.name = "hevc_vulkan",
               .codec = Codec::HEVC,
               .backend = "vulkan",
               .description = "HEVC encoder of the graphics card (Vulkan Video)",
               .formats = {NV12, P010, Unknown, Unknown, Unknown, Unknown},
               .min_size = kVulkanVideoMinSize,
               .min_crf = 1,
               .max_crf = 51,
               .default_crf = {28, 26, 22, 0, 19},
               .parameter_option = "",
               .presets = kVulkanVideoPresets,
               .live_bitrate = false,
               .drain_before_close = false,
               .low_latency_caveat = "",
               .configure = configure_vulkan_video,
               .available = vulkan_video_available,
               .device_memory = MemoryKind::Vulkan,
               .open_device = open_vulkan_video_device,
               .device_format = AV_PIX_FMT_VULKAN,
               .features = kNewHdrFeatures},
    EncoderRow{.name = "av1_vulkan",
               .codec = Codec::AV1,
               .backend = "vulkan",
               .description = "AV1 encoder of the graphics card (Vulkan Video)",
               .formats = {NV12, P010, Unknown, Unknown, Unknown, Unknown},
               .min_size = kVulkanVideoMinSize,
               .min_crf = 1,
               .max_crf = 63,
               .default_crf = {35, 32, 28, 0, 22},
               .parameter_option = "",
               .presets = kVulkanVideoPresets,
               .live_bitrate = false,
               .drain_before_close = false,
               .low_latency_caveat = "",
               .configure = configure_vulkan_video,
               .available = vulkan_video_available,
               .device_memory = MemoryKind::Vulkan,
               .open_device = open_vulkan_video_device,
               .device_format = AV_PIX_FMT_VULKAN,
               .features = kRateFeatures},
    EncoderRow{"libx264",
               Codec::H264,
               "software",
               "x264 H.264 encoder on the CPU",
               // x264 works on NV12 inside: given NV12 its own copy is a plain one.
               {NV12, I420, I010, I444, I410, Unknown},
               {16, 16},
               0,
               51,
               {23, 23, 20, 0, 17},
               "x264-params",
               kX264Presets,
               true,
               false,
               "",
               configure_x264,
               nullptr,
               MemoryKind::Host,
               nullptr,
               -1,
               kX264Features},
    EncoderRow{"libx265",
               Codec::HEVC,
               "software",
               "x265 HEVC encoder on the CPU",
               {I420, I010, I444, I410, Unknown, Unknown},
               {16, 16},
               0,
               51,
               {26, 26, 22, 0, 19},
               "x265-params",
               kX265Presets,
               false,
               false,
               "",
               configure_x265,
               nullptr,
               MemoryKind::Host,
               nullptr,
               -1,
               kX265Features},
    EncoderRow{"libsvtav1",
               Codec::AV1,
               "software",
               "SVT-AV1 encoder on the CPU",
               {I420, I010, Unknown, Unknown, Unknown, Unknown},
               {64, 64},
               1,
               63,
               {35, 35, 28, 0, 22},
               "svtav1-params",
               kSvtPresets,
               false,
               true,
               "libavcodec asks SVT-AV1 for a packet only after giving it a picture and does not wait for it: a packet "
               "comes out with the next picture at the earliest",
               configure_svtav1,
               nullptr,
               MemoryKind::Host,
               nullptr,
               -1,
               kSvtFeatures},
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
  const auto* const it = std::ranges::find(kRows, name, &EncoderRow::name);
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
  for (const Feature feature : wanted_features(settings)) {
    if (std::ranges::find(row.features, feature) != row.features.end()) continue;
    return fail(ErrorKind::Unsupported, std::string(row.name), fmt::format("it has no {} here", to_string(feature)));
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

EncoderSettings settings_for(const EncoderRow& row, EncoderSettings settings) {
  std::erase_if(settings.options, [&](auto& option) {
    const std::size_t colon = option.first.find(':');
    if (colon == std::string::npos) return false;
    if (std::string_view(option.first).substr(0, colon) != row.name) return true;
    option.first.erase(0, colon + 1);
    return false;
  });
  return settings;
}

const NativePreset& choose_native_preset(const EncoderRow& row, const EncoderSettings& settings,
                                         const VideoParameters& video, unsigned processors) {
  for (const auto& [key, value] : settings.options) {
    if (key != "preset") continue;
    const auto it = std::ranges::find(row.presets, std::string_view(value), &NativePreset::name);
    if (it != row.presets.end()) return *it;
  }
  if (settings.speed) {
    // 7 is the first of the row's presets, 1 the last, whatever their number.
    const std::size_t place = (kMaxSpeed - *settings.speed) * (row.presets.size() - 1) + (kMaxSpeed - 1) / 2;
    return row.presets[place / (kMaxSpeed - 1)];
  }
  const double pixels = static_cast<double>(video.size.area()) * video.rate.value();
  const double load = pixels / 1e6 / (row.hardware() ? 1U : std::max(1U, processors));
  const bool patient = settings.preset == Preset::Quality || settings.preset == Preset::Archive;
  const double factor = patient ? kQualityLoadFactor : 1.0;
  const auto it = std::ranges::find_if(row.presets, [&](const NativePreset& p) { return load <= p.max_load * factor; });
  return it == row.presets.end() ? row.presets.back() : *it;
}

}  // namespace zc
