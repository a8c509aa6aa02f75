// What this machine can decode, found out by doing it.
#pragma once

#include "decode/video_decoder.h"
#include "media/codec.h"

#include <array>
#include <cstdint>
#include <string>

namespace zc {

inline constexpr std::array kDecoderCodecs{Codec::H264, Codec::HEVC, Codec::AV1};

struct DecoderReport {
  bool works = false;
  std::string reason;   ///< why not
  std::string decoder;  ///< libavcodec's name of what decoded, or was to
  std::uint64_t pictures = 0;
  std::uint64_t samples = 0;    ///< compared with the reference
  std::uint64_t different = 0;  ///< of them: a decoder is right when there is none
};

/// Encodes a short clip of moving content with the codec's software encoder and decodes it with `backend`. The pixels
/// are compared with libavcodec's software decoder, or for that one with what was encoded, which must look alike: these
/// codecs define each decoded sample. `device` is a render node for VA-API, empty: the first. Takes some 100 ms.
[[nodiscard]] DecoderReport probe_decoder(DecoderBackend backend, Codec codec, const std::string& device = {});

}  // namespace zc
