// The software encoders behind the stand-in NVENC, with no delay: a picture in, its packet out. They are used through
// their own APIs: avcodec_open2() holds a lock of all of libavcodec while FFmpeg's wrapper initialises NVENC, so
// calling libavcodec from in here would never return.
#pragma once

#include "softgpu/codecs/picture.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace zc::softgpu {

enum class RateMode { ConstantQp, Quality, Bitrate };

struct RateControl {
  RateMode mode = RateMode::Quality;
  unsigned qp = 23;
  unsigned quality = 0;  ///< the codec's CRF scale; 0: the codec's usual
  unsigned kbit = 0;     ///< per second
  unsigned max_kbit = 0;
  unsigned vbv_kbit = 0;
};

/// The bitstream's VUI, in the numbers of ITU-T H.273.
struct Vui {
  bool signal_present = false;
  bool description_present = false;
  bool full_range = false;
  unsigned primaries = 2;
  unsigned transfer = 2;
  unsigned matrix = 2;
};

enum class Profile { Auto, Baseline, Main, High };

struct CodecSettings {
  unsigned width = 0;  ///< px
  unsigned height = 0;
  unsigned rate_num = 30;  ///< frames per second
  unsigned rate_den = 1;
  unsigned depth = 8;
  bool yuv444 = false;
  unsigned gop = 250;  ///< frames; 0: one keyframe only, and whatever is forced
  Profile profile = Profile::Auto;
  unsigned level = 0;           ///< H.264: level_idc; HEVC: general_level_idc / 3; 0: the encoder's choice
  bool repeat_headers = false;  ///< parameter sets before every IDR
  bool access_unit_delimiters = false;
  Vui vui;
  RateControl rate;
};

enum class Force { None, Intra, Idr };
enum class PictureKind { Idr, Intra, Predicted };

struct Encoded {
  std::vector<std::uint8_t> bytes;
  PictureKind kind = PictureKind::Predicted;
  unsigned qp = 0;
};

class SoftCodec {
 public:
  SoftCodec() = default;
  SoftCodec(const SoftCodec&) = delete;
  SoftCodec& operator=(const SoftCodec&) = delete;
  virtual ~SoftCodec() = default;

  /// The parameter sets alone, no SEI; empty on failure. H.264 and HEVC: Annex B; AV1: a sequence header OBU.
  [[nodiscard]] virtual std::vector<std::uint8_t> headers() = 0;
  /// The next picture; false on failure. Times are the caller's business.
  [[nodiscard]] virtual bool encode(Picture& picture, Force force, Encoded& out) = 0;
  /// From the next picture on. `reset` begins a new sequence with an IDR.
  [[nodiscard]] virtual bool set_rate(const RateControl& rate, bool reset) = 0;
};

/// Null when the encoder does not take the settings.
[[nodiscard]] std::unique_ptr<SoftCodec> open_x264(const CodecSettings& settings);
[[nodiscard]] std::unique_ptr<SoftCodec> open_x265(const CodecSettings& settings);
/// Only where SOFTGPU_SVT_AV1 is defined.
[[nodiscard]] std::unique_ptr<SoftCodec> open_svt_av1(const CodecSettings& settings);

}  // namespace zc::softgpu
