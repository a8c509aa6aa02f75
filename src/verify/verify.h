// Reads a stream back and says what is in it and what is wrong with it.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "decode/decoder_backend.h"
#include "encode/reordering.h"
#include "media/codec.h"
#include "media/colour.h"
#include "media/geometry.h"
#include "media/hdr.h"
#include "verify/frame_order.h"
#include "verify/sound_check.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc::verify {

/// What makes a stream unsound.
enum class FaultKind : std::uint8_t {
  Read,        ///< the container is damaged or cut off
  Decode,      ///< packets that do not decode, damaged pictures
  NoPicture,   ///< nothing decodes
  Dropped,     ///< pictures are missing
  OutOfOrder,  ///< an older picture after a newer one
  Times,       ///< times that do not rise
  Gap,         ///< longer without a picture than allowed
  Illegible,   ///< pictures without a legible number between numbered ones
  Quality,     ///< pictures that do not look like the source's
  SoundGap,    ///< sound that is interrupted
  Sync,        ///< sound of the test source that is not where its pictures are, or clicks
  Reorder,     ///< headers that leave decoders waiting for an order that no picture has
  Level,       ///< pictures that are larger, or more in a second, than the header's level promises
};
inline constexpr std::array kFaultKinds{
    FaultKind::Read,  FaultKind::Decode,  FaultKind::NoPicture, FaultKind::Dropped, FaultKind::OutOfOrder,
    FaultKind::Times, FaultKind::Gap,     FaultKind::Illegible, FaultKind::Quality, FaultKind::SoundGap,
    FaultKind::Sync,  FaultKind::Reorder, FaultKind::Level};
/// "read", "decode", "no-picture", "dropped", "out-of-order", "times", "gap", "illegible", "quality", "sound-gap",
/// "sync", "reorder", "level".
[[nodiscard]] constexpr std::string_view to_string(FaultKind kind) {
  switch (kind) {
    case FaultKind::Read: return "read";
    case FaultKind::Decode: return "decode";
    case FaultKind::NoPicture: return "no-picture";
    case FaultKind::Dropped: return "dropped";
    case FaultKind::OutOfOrder: return "out-of-order";
    case FaultKind::Times: return "times";
    case FaultKind::Gap: return "gap";
    case FaultKind::Illegible: return "illegible";
    case FaultKind::Quality: return "quality";
    case FaultKind::SoundGap: return "sound-gap";
    case FaultKind::Sync: return "sync";
    case FaultKind::Reorder: return "reorder";
    case FaultKind::Level: return "level";
  }
  return "";
}

struct Fault {
  FaultKind kind = FaultKind::Read;
  std::uint64_t count = 0;
  std::string text;  ///< what, in words
};

struct VerifyOptions {
  std::string input;                      ///< as MediaInput::open() takes it
  std::optional<DecoderBackend> decoder;  ///< nullopt: hardware where it works, else software
  std::string device;                     ///< a render node for VA-API; empty: the first
  Nanoseconds timeout = std::chrono::seconds(10);
  std::optional<Nanoseconds> duration;  ///< of stream time; live also at most so long on the clock
  Nanoseconds max_gap = std::chrono::milliseconds(1500);
  Size painted;                    ///< size the numbers were painted in; empty: the picture's
  double min_psnr = 20;            ///< dB; below it a picture of the test source counts as wrong
  std::vector<FaultKind> allowed;  ///< told, but no fault
  std::function<bool()> stopped;   ///< asked often: end here
};

/// Lowest, mean and highest over pictures. Of PSNR the mean is over the pictures that differ at all.
struct Spread {
  double min = 0, mean = 0, max = 0;
};

/// Against the test source's own picture.
struct QualityReport {
  std::uint64_t pictures = 0;  ///< compared
  std::uint64_t exact = 0;     ///< of them: every sample right
  std::uint64_t below = 0;     ///< of them: below VerifyOptions::min_psnr
  std::array<Spread, 3> psnr;  ///< dB of Y, U, V or G, B, R; of the pictures that are not exact in that component
  Spread ssim;
};

/// From the time painted into the picture to its decoding, of a live stream painted on this machine.
struct LatencyReport {
  std::uint64_t pictures = 0;
  Nanoseconds p50{}, p95{}, max{};
};

struct VerifyReport {
  std::string name;
  std::string container;
  Codec codec = Codec::H264;
  std::string profile;  ///< "High", "Main 10"; empty: unknown
  int level = -1;       ///< libavcodec's number; negative: unknown
  /// What the first parameter set says; nullopt: AV1, which has none to say, or none that can be read.
  std::optional<Reordering> reordering;
  bool reordered = false;    ///< a picture came before one that is shown earlier
  Size size;                 ///< px, of the first picture
  std::vector<Size> sizes;   ///< every other one that came
  std::string pixel_format;  ///< libavutil's name of what the decoder gives
  unsigned bit_depth = 0;
  ColourDescription colour;  ///< as the bitstream says, of the first picture
  bool colour_changes = false;
  HdrMetadata hdr;  ///< of the bitstream, or where that has none, of the container

  DecoderBackend backend = DecoderBackend::Software;
  std::string decoder;                                          ///< libavcodec's name
  std::vector<std::pair<DecoderBackend, std::string>> refused;  ///< those tried before it, and why not

  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t keyframes = 0;
  std::uint64_t corrupt_packets = 0;  ///< the container's own checks
  std::uint64_t decode_errors = 0;    ///< refused packets, damaged pictures
  std::optional<std::string> read_error;
  bool silent = false;  ///< a live stream that ended because nothing came any more
  OrderReport order;
  std::optional<QualityReport> quality;
  std::optional<LatencyReport> latency;
  std::vector<SoundReport> sound;  ///< by track

  std::vector<Fault> faults;   ///< empty: sound
  std::vector<Fault> allowed;  ///< those that were told to be none
};

/// Reads until the end, the duration or the time limit. Errors are about the input or the decoder asked for, before a
/// first packet: what can be read but is damaged has a report.
[[nodiscard]] Result<VerifyReport> verify_stream(const VerifyOptions& options);

}  // namespace zc::verify
