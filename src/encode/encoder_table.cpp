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

// What all rows of a backend share.
constexpr EncoderRow kNvenc{.backend = "nvenc",
                            .min_size = kNvencMinSize,
                            .presets = kNvencPresets,
                            .live_bitrate = true,
                            .configure = configure_nvenc,
                            .available = nvenc_available,
                            .device_memory = MemoryKind::Cuda};
constexpr EncoderRow kVaapi{.backend = "vaapi",
                            .min_size = kVaapiMinSize,
                            .presets = kVaapiPresets,
                            .configure = configure_vaapi,
                            .available = vaapi_available,
                            .device_memory = MemoryKind::Vaapi,
                            .open_device = open_vaapi_device,
                            .device_format = AV_PIX_FMT_VAAPI};
constexpr EncoderRow kQsv{.backend = "qsv",
                          .min_size = kQsvMinSize,
                          .presets = kQsvPresets,
                          .live_bitrate = true,
                          .configure = configure_qsv,
                          .available = qsv_available};
constexpr EncoderRow kVulkan{.backend = "vulkan",
                             .min_size = kVulkanVideoMinSize,
                             .presets = kVulkanVideoPresets,
                             .configure = configure_vulkan_video,
                             .available = vulkan_video_available,
                             .device_memory = MemoryKind::Vulkan,
                             .open_device = open_vulkan_video_device,
                             .device_format = AV_PIX_FMT_VULKAN};

/// What rows of hardware for one codec share.
struct HardwareCodec {
  Codec codec;
  std::array<unsigned, kPresets> default_crf;
  unsigned max_crf;
  std::array<PixelFormat, 6> formats;
};
constexpr HardwareCodec kH264{Codec::H264, {25, 23, 20, 0, 17}, 51, {NV12}};
constexpr HardwareCodec kHevc{Codec::HEVC, {28, 26, 22, 0, 19}, 51, {NV12, P010}};
constexpr HardwareCodec kAv1{Codec::AV1, {35, 32, 28, 0, 22}, 63, {NV12, P010}};
// With differences.
constexpr HardwareCodec kNvencH264{Codec::H264, kH264.default_crf, 51, {NV12, I444}};
constexpr HardwareCodec kNvencHevc{Codec::HEVC, kHevc.default_crf, 51, {NV12, P010, I444}};
constexpr HardwareCodec kQsvAv1{Codec::AV1, kAv1.default_crf, 51, {NV12, P010}};

constexpr EncoderRow hardware(EncoderRow row, const HardwareCodec& codec, std::string_view name,
                              std::string_view description, std::span<const Feature> features) {
  row.name = name;
  row.codec = codec.codec;
  row.description = description;
  row.formats = codec.formats;
  row.min_crf = 1;
  row.max_crf = codec.max_crf;
  row.default_crf = codec.default_crf;
  row.features = features;
  return row;
}
constexpr EncoderRow with_min_size(EncoderRow row, Size size) {
  row.min_size = size;
  return row;
}

constexpr std::array kRows = {
    hardware(kNvenc, kNvencH264, "h264_nvenc", "NVIDIA's H.264 encoder (NVENC)", kNvencFeatures),
    hardware(kNvenc, kNvencHevc, "hevc_nvenc", "NVIDIA's HEVC encoder (NVENC)", kNvencFeatures),
    hardware(with_min_size(kNvenc, kNvencMinSizeAv1), kAv1, "av1_nvenc", "NVIDIA's AV1 encoder (NVENC)",
             kNvencAv1Features),
    hardware(kVaapi, kH264, "h264_vaapi", "H.264 encoder of the graphics card (VA-API)", kRateFeatures),
    hardware(kVaapi, kHevc, "hevc_vaapi", "HEVC encoder of the graphics card (VA-API)", kHdrFeatures),
    hardware(kVaapi, kAv1, "av1_vaapi", "AV1 encoder of the graphics card (VA-API)", kNewHdrFeatures),
    hardware(kQsv, kH264, "h264_qsv", "Intel's H.264 encoder (Quick Sync Video)", kRateFeatures),
    hardware(kQsv, kHevc, "hevc_qsv", "Intel's HEVC encoder (Quick Sync Video)", kNewHdrFeatures),
    hardware(kQsv, kQsvAv1, "av1_qsv", "Intel's AV1 encoder (Quick Sync Video)", kNewHdrFeatures),
    hardware(kVulkan, kH264, "h264_vulkan", "H.264 encoder of the graphics card (Vulkan Video)", kRateFeatures),
    hardware(kVulkan, kHevc, "hevc_vulkan", "HEVC encoder of the graphics card (Vulkan Video)", kNewHdrFeatures),
    hardware(kVulkan, kAv1, "av1_vulkan", "AV1 encoder of the graphics card (Vulkan Video)", kRateFeatures),
    EncoderRow{.name = "libx264",
               .codec = Codec::H264,
               .backend = "software",
               .description = "x264 H.264 encoder on the CPU",
               // x264 works on NV12 inside: given NV12 its own copy is a plain one.
               .formats = {NV12, I420, I010, I444, I410},
               .min_size = {16, 16},
               .max_crf = 51,
               .default_crf = {23, 23, 20, 0, 17},
               .parameter_option = "x264-params",
               .presets = kX264Presets,
               .live_bitrate = true,
               .configure = configure_x264,
               .features = kX264Features},
    EncoderRow{.name = "libx265",
               .codec = Codec::HEVC,
               .backend = "software",
               .description = "x265 HEVC encoder on the CPU",
               .formats = {I420, I010, I444, I410},
               .min_size = {16, 16},
               .max_crf = 51,
               .default_crf = {26, 26, 22, 0, 19},
               .parameter_option = "x265-params",
               .presets = kX265Presets,
               .configure = configure_x265,
               .features = kX265Features},
    EncoderRow{.name = "libsvtav1",
               .codec = Codec::AV1,
               .backend = "software",
               .description = "SVT-AV1 encoder on the CPU",
               .formats = {I420, I010},
               .min_size = {64, 64},
               .min_crf = 1,
               .max_crf = 63,
               .default_crf = {35, 35, 28, 0, 22},
               .parameter_option = "svtav1-params",
               .presets = kSvtPresets,
               .drain_before_close = true,
               .low_latency_caveat =
                   "libavcodec asks SVT-AV1 for a packet only after giving it a picture and does not wait for it: a "
                   "packet comes out with the next picture at the earliest",
               .configure = configure_svtav1,
               .features = kSvtFeatures},
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
