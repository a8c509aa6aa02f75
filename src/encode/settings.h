#pragma once

#include "base/error.h"
#include "media/codec.h"
#include "media/colour.h"
#include "media/geometry.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace zc {

namespace cuda {
class Context;
}

enum class Preset : std::uint8_t {
  LowLatency,  ///< one frame in, one packet out; no B-frames, no lookahead
  Balanced,    ///< the default of `record`
  Quality,     ///< more CPU for fewer bits; still at most 0.4 s of frames inside the encoder
};

enum class Chroma : std::uint8_t { Yuv420, Yuv444 };

/// What the user asks of an encoder; every field has a usable default. Checked by validate().
struct EncoderSettings {
  std::optional<Codec> codec;          ///< nullopt: "auto"
  std::optional<std::string> encoder;  ///< force one row by its name ("libx264")
  Preset preset = Preset::Balanced;
  std::optional<unsigned> crf;           ///< constant quality, each codec's own scale (x264 0-51, SVT-AV1 1-63)
  std::optional<std::int64_t> bit_rate;  ///< bit/s; excludes crf
  double gop_seconds = 2.0;              ///< distance of keyframes
  unsigned bit_depth = 8;                ///< 8 or 10
  Chroma chroma = Chroma::Yuv420;
  ColourDescription colour = kBt709Limited;
  /// The encoder's own options ("preset=veryfast", "tune=film"), passed through last; an unknown one is an error.
  std::vector<std::pair<std::string, std::string>> options;
};

/// What the stream will look like; known when the first frame has come.
struct VideoParameters {
  Size size;             ///< px, as coded
  Rational rate{60, 1};  ///< expected rate: a hint for rate control under VFR, exact under CFR
  bool constant_rate = false;
  unsigned threads = 0;  ///< 0: as many as the machine has processors
  /// The pictures can be made in this context's memory: an encoder that takes such surfaces is opened for them, any
  /// other for host memory. nullptr: host memory only.
  std::shared_ptr<const cuda::Context> cuda = nullptr;
  /// Every keyframe carries its parameter sets besides the extradata, so that a sink can go on with the pictures of
  /// another encoder.
  bool in_band_headers = false;
};

inline constexpr double kMinGopSeconds = 0.1;
inline constexpr double kMaxGopSeconds = 600.0;
inline constexpr std::int64_t kMinBitRate = 10'000;
inline constexpr std::int64_t kMaxBitRate = 1'000'000'000;

/// Checks what can be checked without knowing the encoder. ErrorKind::Invalid names the setting and its valid values;
/// limits of one encoder (crf range, formats, sizes) are told by validate_for() of encoder_table.h.
[[nodiscard]] Result<void> validate(const EncoderSettings& settings);
[[nodiscard]] Result<void> validate(const VideoParameters& video);

/// The size to code a picture of `picture` px in: rounded down to even numbers, because 4:2:0 has one chroma sample for
/// two pixels and many decoders take nothing else. A caller crops the last odd column and row away rather than scale.
[[nodiscard]] constexpr Size encodable_size(Size picture) { return {picture.width & ~1U, picture.height & ~1U}; }

}  // namespace zc
