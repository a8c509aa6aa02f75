// Every encoder we know how to drive, one row each.
#pragma once

#include "base/error.h"
#include "encode/settings.h"
#include "media/codec.h"
#include "media/packet.h"
#include "media/pixel_format.h"
#include "media/surface.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {

/// One of an encoder's own presets, and up to which load it is chosen.
struct NativePreset {
  std::string_view name;  ///< value of the encoder's "preset" option
  /// Largest load of Preset::Balanced and LowLatency, in megapixels per second: per processor for software, of the
  /// whole encoder for hardware.
  double max_load;
  unsigned lookahead;  ///< frames, the native preset's own default
  unsigned b_frames;   ///< likewise
};

/// Options on their way to avcodec_open2(). A later set() of a key replaces the earlier one; a row's parameter list
/// ("x265-params") is joined with ':' instead, where the later entry wins inside the encoder.
class OptionList {
 public:
  explicit OptionList(std::string_view parameter_option) : parameter_option_(parameter_option) {}
  void set(std::string_view key, std::string value);
  /// Adds "key=value" to the row's parameter list.
  void parameter(std::string_view key, std::string_view value);
  [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const { return options_; }

 private:
  std::string_view parameter_option_;
  std::vector<std::pair<std::string, std::string>> options_;
};

/// What a row's configure function decides, besides options, for the generic AVCodecContext fields.
struct CodecPlan {
  int threads = 1;  ///< AVCodecContext::thread_count
  int b_frames = 0;
  std::int64_t max_bit_rate = 0;  ///< VBV, bit/s; 0 = no VBV
  std::int64_t buffer_bits = 0;   ///< VBV
  bool forces_keyframes = true;   ///< pict_type I makes a keyframe; false: only a new encoder starts with one
  bool live_bitrate = false;  ///< libavcodec's wrapper follows a changed bit_rate; the row's, unless it says otherwise
  bool live_rate = false;     ///< its rate control follows the pictures' times, or a changed framerate
};

struct EncoderRow;

/// As they are for that row: of the options with an encoder's name only its own are left, without the name.
[[nodiscard]] EncoderSettings settings_for(const EncoderRow& row, EncoderSettings settings);

/// Everything a row's configure function may look at.
struct EncoderRequest {
  const EncoderRow& row;
  const EncoderSettings& settings;
  const VideoParameters& video;
  const NativePreset& native;
  unsigned processors;  ///< threads to use
  unsigned max_delay;   ///< frames allowed inside the encoder: 0.4 s at the expected rate; 0 for LowLatency
};

// The empty initializers let rows leave these members out; GCC warns of them otherwise.
// NOLINTBEGIN(readability-redundant-member-init)
struct EncoderRow {
  std::string_view name{};  ///< libavcodec's encoder
  Codec codec = Codec::H264;
  std::string_view backend{};  ///< "software", "nvenc", "vaapi"
  std::string_view description{};
  /// Accepted inputs, preferred first for each depth and chroma; Unknown ends it.
  std::array<PixelFormat, 6> formats{};
  Size min_size{};  ///< px
  unsigned min_crf = 0;
  unsigned max_crf = 0;
  std::array<unsigned, kPresets> default_crf{};  ///< by Preset; not used by Lossless
  std::string_view parameter_option{};           ///< libavcodec option that takes the library's own parameters
  std::span<const NativePreset> presets{};       ///< best quality first; the last one takes any load
  bool live_bitrate = false;        ///< libavcodec's wrapper follows a changed bit_rate; else it is opened anew
  bool drain_before_close = false;  ///< the library wants a picture and the end of its input before it is closed
  /// Why Preset::LowLatency cannot give each picture's packet before the next picture; empty: it does.
  std::string_view low_latency_caveat{};
  void (*configure)(const EncoderRequest&, CodecPlan&, OptionList&) = nullptr;
  /// Whether the driver beneath is there and may be used, without opening an encoder; its detail is the reason.
  /// nullptr: none needed.
  Result<void> (*available)(const GpuChoice& gpu) = nullptr;
  MemoryKind device_memory = MemoryKind::Host;  ///< surfaces there it takes as they are; Host: no device's
  /// The device (an AVHWDeviceContext) that pictures of host memory are uploaded to; nullptr: libavcodec's wrapper
  /// takes them as they are.
  Result<AvBufferPtr> (*open_device)(const GpuChoice& gpu, Codec codec, unsigned bits) = nullptr;
  int device_format = -1;               ///< AVPixelFormat of that device's pictures
  std::span<const Feature> features{};  ///< what it has of what not every encoder has

  [[nodiscard]] bool hardware() const { return backend != "software"; }
  /// The preferred input for a depth and chroma; nullopt when the encoder has none.
  [[nodiscard]] std::optional<PixelFormat> input_format(unsigned bit_depth, Chroma chroma) const;
  /// "8 bit 4:2:0, 10 bit 4:2:0": for messages.
  [[nodiscard]] std::string capabilities() const;
};
// NOLINTEND(readability-redundant-member-init)

/// In the order the chain tries them for one codec: hardware before software, the last one is always software.
[[nodiscard]] std::span<const EncoderRow> encoder_rows();
[[nodiscard]] const EncoderRow* find_encoder_row(std::string_view name);
/// "h264_nvenc, ..., libx264, libx265, libsvtav1"
[[nodiscard]] std::string encoder_names();

/// Checks what the row can do against what is asked. Invalid: a value out of the row's range, naming it.
/// Unsupported: this row cannot, another one might (depth, chroma, size).
[[nodiscard]] Result<void> validate_for(const EncoderRow& row, const EncoderSettings& settings,
                                        const VideoParameters& video);

/// The encoder's own preset for a load, deterministic: load = pixels per second / processors.
///
/// The tables were made from the CPU time per picture of full-screen motion (tables in encoder_table.cpp): a preset is
/// taken up to the load at which the encoder needs a quarter of the machine, because a compositor without a GPU, the
/// colour conversion and the recorded program want the rest and a dropped frame is worse than a larger file.
/// Preset::Quality lets the encoder have 60 % of the machine. EncoderSettings::speed chooses by its place on the scale
/// of seven instead, and a user's "preset" option overrides both. For hardware the processors do not count.
[[nodiscard]] const NativePreset& choose_native_preset(const EncoderRow& row, const EncoderSettings& settings,
                                                       const VideoParameters& video, unsigned processors);

/// The longest time pictures may stay inside an encoder: a killed recorder leaves a file that plays to within a second
/// of the kill, and the muxer and its fragments want their share of that second.
inline constexpr double kMaxDelaySeconds = 0.4;

}  // namespace zc
