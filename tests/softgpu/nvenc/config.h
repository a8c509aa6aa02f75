// What the emulated encoder says it can do, and NVENC's configuration in the software encoders' terms.
#pragma once

#include "softgpu/codecs/codec.h"

#include <ffnvcodec/nvEncodeAPI.h>

#include <cstring>
#include <memory>
#include <span>

namespace zc::softgpu {

inline bool same(const GUID& a, const GUID& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

/// One row per codec.
struct CodecRow {
  GUID guid;
  GUID profile;  ///< of a preset
  int max_size;  ///< px, each way
  bool ten_bit;
  bool yuv444;
  void (*preset)(NV_ENC_CODEC_CONFIG& config);
  void (*read)(const NV_ENC_CONFIG& config, CodecSettings& settings);
  std::unique_ptr<SoftCodec> (*open)(const CodecSettings& settings);
};

[[nodiscard]] std::span<const CodecRow> codec_rows();
/// Null for a codec that the stand-in does not have.
[[nodiscard]] const CodecRow* find_codec(const GUID& guid);

/// The answer to nvEncGetEncodeCaps().
[[nodiscard]] int capability(const CodecRow& codec, NV_ENC_CAPS caps);
/// P1 to P7, any tuning: the same for all, except that "high quality" queues three pictures from P3 on as B-frames
/// would.
[[nodiscard]] std::span<const GUID> preset_guids();
void fill_preset(const CodecRow& codec, const GUID& preset, NV_ENC_TUNING_INFO tuning, NV_ENC_CONFIG& config);

[[nodiscard]] RateControl rate_control(const NV_ENC_RC_PARAMS& rc);
[[nodiscard]] CodecSettings codec_settings(const CodecRow& codec, const NV_ENC_INITIALIZE_PARAMS& params,
                                           const NV_ENC_CONFIG& config);

}  // namespace zc::softgpu
