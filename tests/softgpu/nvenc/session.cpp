// What a session says of itself, its start and its changes.
#include "softgpu/nvenc/session.h"

#include "softgpu/control.h"

#include <algorithm>
#include <cstring>

namespace zc::softgpu {
namespace {

constexpr EncodeStatus kNoSuchCodec{NV_ENC_ERR_UNSUPPORTED_PARAM, "no such codec"};

template <class Range, class Out>
EncodeStatus list(const Range& from, Out* to, std::uint32_t size, std::uint32_t* count) {
  *count = std::min(size, static_cast<std::uint32_t>(from.size()));
  std::copy_n(from.begin(), *count, to);
  return {};
}

}  // namespace

Session::Session() { softgpu_count_session(1); }
Session::~Session() { softgpu_count_session(-1); }

EncodeStatus Session::needs_encoder() const {
  if (codec_ == nullptr) return {NV_ENC_ERR_ENCODER_NOT_INITIALIZED, "nvEncInitializeEncoder was not called"};
  return {};
}

EncodeStatus Session::codec_count(std::uint32_t* count) {
  *count = static_cast<std::uint32_t>(codec_rows().size());
  return {};
}

EncodeStatus Session::codecs(GUID* guids, std::uint32_t size, std::uint32_t* count) {
  std::vector<GUID> all;
  for (const CodecRow& row : codec_rows()) all.push_back(row.guid);
  return list(all, guids, size, count);
}

EncodeStatus Session::format_count(GUID codec, std::uint32_t* count) {
  if (find_codec(codec) == nullptr) return kNoSuchCodec;
  *count = static_cast<std::uint32_t>(input_formats().size());
  return {};
}

EncodeStatus Session::formats(GUID codec, NV_ENC_BUFFER_FORMAT* formats, std::uint32_t size, std::uint32_t* count) {
  if (find_codec(codec) == nullptr) return kNoSuchCodec;
  std::vector<NV_ENC_BUFFER_FORMAT> all;
  for (const InputFormat& row : input_formats()) all.push_back(row.format);
  return list(all, formats, size, count);
}

EncodeStatus Session::capabilities(GUID codec, NV_ENC_CAPS_PARAM* params, int* value) {
  if (params->version != NV_ENC_CAPS_PARAM_VER) return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_CAPS_PARAM"};
  const CodecRow* row = find_codec(codec);
  if (row == nullptr) return kNoSuchCodec;
  *value = capability(*row, params->capsToQuery);
  return {};
}

EncodeStatus Session::preset_count(GUID codec, std::uint32_t* count) {
  if (find_codec(codec) == nullptr) return kNoSuchCodec;
  *count = static_cast<std::uint32_t>(preset_guids().size());
  return {};
}

EncodeStatus Session::presets(GUID codec, GUID* guids, std::uint32_t size, std::uint32_t* count) {
  if (find_codec(codec) == nullptr) return kNoSuchCodec;
  return list(preset_guids(), guids, size, count);
}

EncodeStatus Session::preset(GUID codec, GUID preset, NV_ENC_PRESET_CONFIG* params) {
  return preset_tuned(codec, preset, NV_ENC_TUNING_INFO_HIGH_QUALITY, params);
}

EncodeStatus Session::preset_tuned(GUID codec, GUID preset, NV_ENC_TUNING_INFO tuning, NV_ENC_PRESET_CONFIG* params) {
  if (params->version != NV_ENC_PRESET_CONFIG_VER) return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_PRESET_CONFIG"};
  if (params->presetCfg.version != NV_ENC_CONFIG_VER) return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_CONFIG"};
  const CodecRow* row = find_codec(codec);
  if (row == nullptr) return kNoSuchCodec;
  fill_preset(*row, preset, tuning, params->presetCfg);
  return {};
}

EncodeStatus Session::initialize(NV_ENC_INITIALIZE_PARAMS* params) {
  if (params->version != NV_ENC_INITIALIZE_PARAMS_VER) return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_INITIALIZE_PARAMS"};
  if (codec_ != nullptr) return {NV_ENC_ERR_INVALID_CALL, "initialised twice"};
  if (params->encodeConfig == nullptr) return {NV_ENC_ERR_INVALID_PTR, "encodeConfig"};
  if (params->encodeConfig->version != NV_ENC_CONFIG_VER) return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_CONFIG"};
  if (params->enableEncodeAsync != 0) return {NV_ENC_ERR_UNSUPPORTED_PARAM, "asynchronous mode is Windows's"};
  if (params->frameRateNum == 0 || params->frameRateDen == 0) return {NV_ENC_ERR_INVALID_PARAM, "frame rate"};
  const CodecRow* row = find_codec(params->encodeGUID);
  if (row == nullptr) return kNoSuchCodec;
  const auto within = [&](std::uint32_t size, NV_ENC_CAPS least, NV_ENC_CAPS most) {
    return static_cast<int>(size) >= capability(*row, least) && static_cast<int>(size) <= capability(*row, most);
  };
  if (!within(params->encodeWidth, NV_ENC_CAPS_WIDTH_MIN, NV_ENC_CAPS_WIDTH_MAX) ||
      !within(params->encodeHeight, NV_ENC_CAPS_HEIGHT_MIN, NV_ENC_CAPS_HEIGHT_MAX)) {
    return {NV_ENC_ERR_INVALID_PARAM, "size outside of the limits"};
  }
  params_ = *params;
  config_ = *params->encodeConfig;
  settings_ = codec_settings(*row, params_, config_);
  codec_ = row->open(settings_);
  if (codec_ == nullptr) return {NV_ENC_ERR_INVALID_PARAM, "the software encoder does not take these settings"};
  picture_.width = settings_.width;
  picture_.height = settings_.height;
  picture_.yuv444 = settings_.yuv444;
  return {};
}

EncodeStatus Session::reconfigure(NV_ENC_RECONFIGURE_PARAMS* params) {
  if (params->version != NV_ENC_RECONFIGURE_PARAMS_VER) {
    return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_RECONFIGURE_PARAMS"};
  }
  if (const EncodeStatus status = needs_encoder(); status.code != NV_ENC_SUCCESS) return status;
  const NV_ENC_INITIALIZE_PARAMS& wanted = params->reInitEncodeParams;
  if (wanted.encodeWidth != params_.encodeWidth || wanted.encodeHeight != params_.encodeHeight) {
    return {NV_ENC_ERR_UNSUPPORTED_PARAM, "NV_ENC_CAPS_SUPPORT_DYN_RES_CHANGE is 0"};
  }
  if (wanted.encodeConfig == nullptr) return {NV_ENC_ERR_INVALID_PTR, "encodeConfig"};
  while (!jobs_.empty()) run_next();  // what is queued has the old rate
  config_.rcParams = wanted.encodeConfig->rcParams;
  force_idr_ = force_idr_ || params->forceIDR != 0;
  if (!codec_->set_rate(rate_control(config_.rcParams), params->resetEncoder != 0)) {
    return {NV_ENC_ERR_INVALID_PARAM, "the software encoder does not take this rate"};
  }
  return {};
}

EncodeStatus Session::set_streams(NV_ENC_CUSTREAM_PTR input, NV_ENC_CUSTREAM_PTR output) {
  if (input == nullptr || output == nullptr) return {NV_ENC_ERR_INVALID_PTR, "pointers to streams"};
  return {};
}

EncodeStatus Session::sequence_params(NV_ENC_SEQUENCE_PARAM_PAYLOAD* params) {
  if (params->version != NV_ENC_SEQUENCE_PARAM_PAYLOAD_VER) {
    return {NV_ENC_ERR_INVALID_VERSION, "NV_ENC_SEQUENCE_PARAM_PAYLOAD"};
  }
  if (const EncodeStatus status = needs_encoder(); status.code != NV_ENC_SUCCESS) return status;
  const std::vector<std::uint8_t> headers = codec_->headers();
  if (headers.empty()) return {NV_ENC_ERR_GENERIC, "the software encoder gave no parameter sets"};
  if (headers.size() > params->inBufferSize) return {NV_ENC_ERR_NOT_ENOUGH_BUFFER, "the parameter sets do not fit"};
  std::memcpy(params->spsppsBuffer, headers.data(), headers.size());
  *params->outSPSPPSPayloadSize = static_cast<std::uint32_t>(headers.size());
  return {};
}

}  // namespace zc::softgpu
