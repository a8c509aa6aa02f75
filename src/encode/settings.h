#pragma once

#include "base/error.h"
#include "gpu/which_gpu.h"
#include "media/codec.h"
#include "media/colour.h"
#include "media/geometry.h"
#include "media/hdr.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {

class PictureDevice;

/// What everything else is chosen by; each single setting wins over it.
enum class Preset : std::uint8_t {
  LowLatency,  ///< one frame in, one packet out; no B-frames, no lookahead
  Balanced,    ///< the default of `record`
  Quality,     ///< more CPU for fewer bits; still at most 0.4 s of frames inside the encoder
  Lossless,    ///< every sample of the surface comes back
  Archive,     ///< as Quality, at a quality that bears another encoding
};
inline constexpr std::size_t kPresets = 5;

enum class RateControl : std::uint8_t {
  Cbr,      ///< the bit rate, held
  Vbr,      ///< the bit rate on average, up to a maximum
  Quality,  ///< constant quality (crf, cq)
};

enum class Tune : std::uint8_t { HighQuality, LowLatency, UltraLowLatency };

/// How often the rate control looks at a picture before it codes it.
enum class Multipass : std::uint8_t { Off, Quarter, Full };

/// What not every encoder has: a row of the table lists its own.
enum class Feature : std::uint8_t {
  BFrames,
  Lookahead,
  SpatialAq,
  TemporalAq,
  Multipass,
  IntraRefresh,
  Lossless,
  VariableRate,
  Rgb,
  HdrMetadata,
};
[[nodiscard]] std::string_view to_string(Feature feature);

enum class Chroma : std::uint8_t { Yuv420, Yuv444 };

/// What the user asks of an encoder; every field has a usable default. Checked by validate().
struct EncoderSettings {
  std::optional<Codec> codec;          ///< nullopt: "auto"
  std::optional<std::string> encoder;  ///< force one row by its name ("libx264")
  /// Backends and encoders to try first ("vaapi", "hevc_nvenc"), in this order; see encode/encoder_order.h.
  std::vector<std::string> order;
  Preset preset = Preset::Balanced;
  std::optional<unsigned> crf;           ///< constant quality, each codec's own scale (x264 0-51, SVT-AV1 1-63)
  std::optional<std::int64_t> bit_rate;  ///< bit/s; excludes crf
  /// nullopt: by constant quality without a bit rate; with one, held where delay counts and on average elsewhere.
  std::optional<RateControl> rate_control;
  std::optional<std::int64_t> max_bit_rate;  ///< bit/s; nullopt: 1.5 times the bit rate
  std::optional<unsigned> vbv_ms;            ///< how long max_bit_rate may be exceeded; nullopt: 500 ms held, else 1 s
  double gop_seconds = 2.0;                  ///< distance of keyframes; infinity: only on request
  std::optional<unsigned> speed;             ///< 1 (fastest) to 7 (best), on each encoder's own scale
  std::optional<Tune> tune;
  std::optional<unsigned> b_frames;   ///< in a row
  std::optional<unsigned> lookahead;  ///< pictures
  std::optional<bool> spatial_aq;     ///< more bits for flat areas
  std::optional<bool> temporal_aq;    ///< more bits for what stays
  std::optional<Multipass> multipass;
  /// A column of intra blocks wanders across the pictures, once in gop_seconds, instead of keyframes.
  bool intra_refresh = false;
  unsigned bit_depth = 8;  ///< 8 or 10
  Chroma chroma = Chroma::Yuv420;
  ColourDescription colour = kBt709Limited;  ///< ColourMatrix::Rgb: 8 bit 4:4:4, full range
  HdrMetadata hdr;                           ///< of pictures with the PQ transfer function, in 10 bit
  /// The encoder's own options ("preset=veryfast", "tune=film"), passed through last; an unknown one is an error. One
  /// with an encoder's name ("h264_vaapi:quality") is that one's alone.
  std::vector<std::pair<std::string, std::string>> options;

  /// Each packet comes out before the next picture goes in.
  [[nodiscard]] bool low_latency() const { return tune ? *tune != Tune::HighQuality : preset == Preset::LowLatency; }
  [[nodiscard]] bool lossless() const { return preset == Preset::Lossless; }
  [[nodiscard]] bool holds_rate() const {
    return rate_control ? *rate_control == RateControl::Cbr : bit_rate.has_value() && low_latency();
  }
  /// Keyframes come at a distance of gop_seconds.
  [[nodiscard]] bool periodic_keyframes() const { return !intra_refresh && std::isfinite(gop_seconds); }
};
/// The same with another bit rate; the maximum keeps its proportion to it.
[[nodiscard]] EncoderSettings with_bit_rate(EncoderSettings settings, std::int64_t bits_per_second);
/// What an encoder must have for these settings.
[[nodiscard]] std::vector<Feature> wanted_features(const EncoderSettings& settings);

/// What the stream will look like; known when the first frame has come.
struct VideoParameters {
  Size size;             ///< px, as coded
  Rational rate{60, 1};  ///< expected rate: a hint for rate control under VFR, exact under CFR
  bool constant_rate = false;
  unsigned threads = 0;  ///< 0: as many as the machine has processors
  /// The pictures can be made in this device's memory: an encoder that takes such surfaces is opened for them, any
  /// other for host memory. nullptr: host memory only.
  std::shared_ptr<const PictureDevice> device = nullptr;
  /// Where pictures of host memory are encoded, as far as that can be chosen; where it binds, nowhere else.
  GpuChoice gpu = {};
  /// Every keyframe carries its parameter sets besides the extradata, so that a sink can go on with the pictures of
  /// another encoder.
  bool in_band_headers = false;
};

inline constexpr double kMinGopSeconds = 0.1;
inline constexpr double kMaxGopSeconds = 600.0;
inline constexpr double kInfiniteGop = std::numeric_limits<double>::infinity();
inline constexpr unsigned kMaxSpeed = 7;
inline constexpr unsigned kMaxBFrames = 4;
inline constexpr unsigned kMaxLookahead = 48;
inline constexpr unsigned kMinVbvMs = 50;
inline constexpr unsigned kMaxVbvMs = 10'000;
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
