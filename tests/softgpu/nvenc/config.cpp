#include "softgpu/nvenc/config.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace zc::softgpu {
namespace {

constexpr unsigned kGop = 250;
constexpr unsigned kPresetBitrate = 5'000'000;

/// H.264's and HEVC's VUI are one struct to NVENC (NV_ENC_CONFIG_HEVC_VUI_PARAMETERS is a typedef).
Vui read_vui(const NV_ENC_CONFIG_H264_VUI_PARAMETERS& vui) {
  return {.signal_present = vui.videoSignalTypePresentFlag != 0,
          .description_present = vui.colourDescriptionPresentFlag != 0,
          .full_range = vui.videoFullRangeFlag != 0,
          .primaries = static_cast<unsigned>(vui.colourPrimaries),
          .transfer = static_cast<unsigned>(vui.transferCharacteristics),
          .matrix = static_cast<unsigned>(vui.colourMatrix)};
}

void preset_h264(NV_ENC_CODEC_CONFIG& config) {
  config.h264Config.chromaFormatIDC = 1;
  config.h264Config.idrPeriod = kGop;
}

void preset_hevc(NV_ENC_CODEC_CONFIG& config) {
  config.hevcConfig.chromaFormatIDC = 1;
  config.hevcConfig.idrPeriod = kGop;
}

void read_h264(const NV_ENC_CONFIG& from, CodecSettings& to) {
  const NV_ENC_CONFIG_H264& config = from.encodeCodecConfig.h264Config;
  to.yuv444 = config.chromaFormatIDC == 3;
  to.repeat_headers = config.repeatSPSPPS != 0;
  to.access_unit_delimiters = config.outputAUD != 0;
  to.level = config.level;
  to.vui = read_vui(config.h264VUIParameters);
  const std::array<std::pair<GUID, Profile>, 3> profiles{{{NV_ENC_H264_PROFILE_BASELINE_GUID, Profile::Baseline},
                                                          {NV_ENC_H264_PROFILE_MAIN_GUID, Profile::Main},
                                                          {NV_ENC_H264_PROFILE_HIGH_GUID, Profile::High}}};
  for (const auto& [guid, profile] : profiles) {
    if (same(guid, from.profileGUID)) to.profile = profile;
  }
}

void read_hevc(const NV_ENC_CONFIG& from, CodecSettings& to) {
  const NV_ENC_CONFIG_HEVC& config = from.encodeCodecConfig.hevcConfig;
  to.yuv444 = config.chromaFormatIDC == 3;
  to.repeat_headers = config.repeatSPSPPS != 0;
  to.access_unit_delimiters = config.outputAUD != 0;
  to.level = config.level / 3;  // NVENC counts general_level_idc: 30 times the level
  to.vui = read_vui(config.hevcVUIParameters);
#if NVENCAPI_MAJOR_VERSION > 12 || (NVENCAPI_MAJOR_VERSION == 12 && NVENCAPI_MINOR_VERSION >= 2)
  to.depth = config.outputBitDepth == NV_ENC_BIT_DEPTH_10 ? 10 : 8;
#else
  to.depth = config.pixelBitDepthMinus8 == 0 ? 8 : 10;
#endif
}

// Codecs and headers that have AV1: NVENC 12.
#if defined(SOFTGPU_SVT_AV1) && NVENCAPI_MAJOR_VERSION >= 12
#define SOFTGPU_HAS_AV1 1
void preset_av1(NV_ENC_CODEC_CONFIG& config) {
  config.av1Config.chromaFormatIDC = 1;
  config.av1Config.idrPeriod = kGop;
}

void read_av1(const NV_ENC_CONFIG& from, CodecSettings& to) {
  const NV_ENC_CONFIG_AV1& config = from.encodeCodecConfig.av1Config;
  to.repeat_headers = config.repeatSeqHdr != 0;
  to.vui = {.signal_present = true,
            .description_present = true,
            .full_range = config.colorRange != 0,
            .primaries = static_cast<unsigned>(config.colorPrimaries),
            .transfer = static_cast<unsigned>(config.transferCharacteristics),
            .matrix = static_cast<unsigned>(config.matrixCoefficients)};
#if NVENCAPI_MAJOR_VERSION > 12 || NVENCAPI_MINOR_VERSION >= 2
  to.depth = config.outputBitDepth == NV_ENC_BIT_DEPTH_10 ? 10 : 8;
#else
  to.depth = config.pixelBitDepthMinus8 == 0 ? 8 : 10;
#endif
}
#endif

const auto& rows() {
  static const auto table = std::to_array<CodecRow>({
      {NV_ENC_CODEC_H264_GUID, NV_ENC_H264_PROFILE_HIGH_GUID, 4096, false, true, preset_h264, read_h264, open_x264},
      {NV_ENC_CODEC_HEVC_GUID, NV_ENC_HEVC_PROFILE_MAIN_GUID, 8192, true, true, preset_hevc, read_hevc, open_x265},
#ifdef SOFTGPU_HAS_AV1
      {NV_ENC_CODEC_AV1_GUID, NV_ENC_AV1_PROFILE_MAIN_GUID, 8192, true, false, preset_av1, read_av1, open_svt_av1},
#endif
  });
  return table;
}

struct Capability {
  NV_ENC_CAPS caps;
  int value;
};

/// What does not depend on the codec; what is not named is 0. A real GPU of the Ada generation answers about so.
constexpr std::array<Capability, 20> kCapabilities{{
    {NV_ENC_CAPS_NUM_MAX_BFRAMES, 4},
    {NV_ENC_CAPS_SUPPORTED_RATECONTROL_MODES, NV_ENC_PARAMS_RC_CONSTQP | NV_ENC_PARAMS_RC_VBR | NV_ENC_PARAMS_RC_CBR},
    {NV_ENC_CAPS_SUPPORT_CABAC, 1},
    {NV_ENC_CAPS_SUPPORT_ADAPTIVE_TRANSFORM, 1},
    {NV_ENC_CAPS_SUPPORT_DYN_BITRATE_CHANGE, 1},
    {NV_ENC_CAPS_SUPPORT_INTRA_REFRESH, 1},
    {NV_ENC_CAPS_SUPPORT_CUSTOM_VBV_BUF_SIZE, 1},
    {NV_ENC_CAPS_SUPPORT_LOSSLESS_ENCODE, 1},
    {NV_ENC_CAPS_SUPPORT_LOOKAHEAD, 1},
    {NV_ENC_CAPS_SUPPORT_TEMPORAL_AQ, 1},
    {NV_ENC_CAPS_SUPPORT_WEIGHTED_PREDICTION, 1},
    {NV_ENC_CAPS_SUPPORT_BFRAME_REF_MODE, 3},
    {NV_ENC_CAPS_SUPPORT_MULTIPLE_REF_FRAMES, 1},
    {NV_ENC_CAPS_NUM_ENCODER_ENGINES, 1},
    {NV_ENC_CAPS_WIDTH_MIN, 145},
    {NV_ENC_CAPS_HEIGHT_MIN, 49},
    {NV_ENC_CAPS_MB_NUM_MAX, 262'144},
    {NV_ENC_CAPS_MB_PER_SEC_MAX, 983'040},
    {NV_ENC_CAPS_LEVEL_MIN, 10},
    {NV_ENC_CAPS_LEVEL_MAX, 186},
}};

}  // namespace

std::span<const CodecRow> codec_rows() { return rows(); }

const CodecRow* find_codec(const GUID& guid) {
  const auto* const row = std::ranges::find_if(rows(), [&](const CodecRow& r) { return same(r.guid, guid); });
  return row == rows().end() ? nullptr : &*row;
}

int capability(const CodecRow& codec, NV_ENC_CAPS caps) {
  switch (caps) {
    case NV_ENC_CAPS_WIDTH_MAX:
    case NV_ENC_CAPS_HEIGHT_MAX: return codec.max_size;
    case NV_ENC_CAPS_SUPPORT_10BIT_ENCODE: return codec.ten_bit ? 1 : 0;
    case NV_ENC_CAPS_SUPPORT_YUV444_ENCODE: return codec.yuv444 ? 1 : 0;
    default: break;
  }
  const auto* row = std::ranges::find(kCapabilities, caps, &Capability::caps);
  return row == kCapabilities.end() ? 0 : row->value;
}

std::span<const GUID> preset_guids() {
  static const std::array presets{NV_ENC_PRESET_P1_GUID, NV_ENC_PRESET_P2_GUID, NV_ENC_PRESET_P3_GUID,
                                  NV_ENC_PRESET_P4_GUID, NV_ENC_PRESET_P5_GUID, NV_ENC_PRESET_P6_GUID,
                                  NV_ENC_PRESET_P7_GUID};
  return presets;
}

void fill_preset(const CodecRow& codec, const GUID& preset, NV_ENC_TUNING_INFO tuning, NV_ENC_CONFIG& config) {
  config = {};
  config.version = NV_ENC_CONFIG_VER;
  config.profileGUID = codec.profile;
  config.gopLength = kGop;
  config.frameFieldMode = NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME;
  const bool quick = same(preset, NV_ENC_PRESET_P1_GUID) || same(preset, NV_ENC_PRESET_P2_GUID);
  config.frameIntervalP = tuning == NV_ENC_TUNING_INFO_HIGH_QUALITY && !quick ? 4 : 1;
  config.rcParams.rateControlMode = NV_ENC_PARAMS_RC_VBR;
  config.rcParams.averageBitRate = kPresetBitrate;
  codec.preset(config.encodeCodecConfig);
}

RateControl rate_control(const NV_ENC_RC_PARAMS& rc) {
  RateControl rate;
  const unsigned bits = rc.averageBitRate != 0 ? rc.averageBitRate : rc.maxBitRate;
  if (rc.rateControlMode == NV_ENC_PARAMS_RC_CONSTQP) {
    rate.mode = RateMode::ConstantQp;
    rate.qp = rc.constQP.qpInterP;
  } else if (bits == 0 || (rc.averageBitRate == 0 && rc.targetQuality != 0)) {
    rate.mode = RateMode::Quality;
    rate.quality = rc.targetQuality;
  } else {
    rate.mode = RateMode::Bitrate;
    rate.kbit = std::max(1U, bits / 1000);
    rate.max_kbit = rc.maxBitRate / 1000;
    rate.vbv_kbit = rc.vbvBufferSize / 1000;
  }
  return rate;
}

CodecSettings codec_settings(const CodecRow& codec, const NV_ENC_INITIALIZE_PARAMS& params,
                             const NV_ENC_CONFIG& config) {
  CodecSettings settings;
  settings.width = params.encodeWidth;
  settings.height = params.encodeHeight;
  settings.rate_num = params.frameRateNum;
  settings.rate_den = params.frameRateDen;
  settings.gop = config.gopLength == NVENC_INFINITE_GOPLENGTH ? 0 : config.gopLength == 0 ? kGop : config.gopLength;
  settings.rate = rate_control(config.rcParams);
  codec.read(config, settings);
  return settings;
}

}  // namespace zc::softgpu
