// What one recording is asked to do, whoever asks: the command line, a configuration file, D-Bus.
#pragma once

#include "base/clock.h"
#include "base/toggles.h"
#include "capture/cursor_mode.h"
#include "capture/source_spec.h"
#include "encode/settings.h"
#include "media/geometry.h"
#include "output/output_spec.h"
#include "session/layer_options.h"
#include "session/recording.h"

#include <optional>
#include <string>
#include <vector>

namespace zc {

/// `zerocast record FILE` and `zerocast stream URL`: the same job with other defaults.
struct RecordOptions {
  std::vector<OutputSpec> outputs;  ///< FILE or URL first, then each --tee; empty only with `replay`

  SourceSpec source;
  std::vector<LayerOptions> layers;
  bool live = false;     ///< `stream`: low-latency defaults, a full queue drops instead of waiting
  bool unpaced = false;  ///< a media file's pictures come as fast as they are encoded
  CursorMode cursor = CursorMode::Embedded;
  std::optional<Rect> region;           ///< logical px of the desktop; nullopt: all that the source shows
  bool restore = true;                  ///< use and keep the portal's restore token
  std::string restore_slot{"default"};  ///< which token
  std::string gpu;                      ///< as RecordingOptions'
  EncoderSettings encoder;
  AudioOptions audio;
  std::optional<Size> size;                  ///< px of the coded picture; nullopt: the source's
  bool follow_size = false;                  ///< a source of another size: the coded size becomes that, too
  std::optional<Rect> crop;                  ///< px of the source's picture
  std::optional<Rational> constant_rate;     ///< nullopt: variable rate, true timestamps
  std::optional<Rational> max_rate;          ///< nullopt: all that the source has
  Rational min_rate{1, 1};                   ///< a static picture is repeated at least this often; zero: never
  std::optional<Nanoseconds> duration;       ///< nullopt: until stopped
  Nanoseconds silence{};                     ///< as RecordingOptions'
  std::optional<Nanoseconds> replay;         ///< likewise
  std::optional<std::size_t> ring_frames;    ///< likewise
  std::optional<RingPolicy> ring_policy;     ///< likewise
  bool reconnect = false;                    ///< likewise
  bool adaptive = false;                     ///< the bit rate follows the live outputs' network
  std::optional<std::int64_t> min_bit_rate;  ///< with it, bit/s; nullopt: a fifth of the bit rate

  bool json = false;   ///< one JSON object as the last line of stdout
  bool quiet = false;  ///< no status line, no closing report
};

[[nodiscard]] RecordingOptions recording_options(const RecordOptions& options, const Toggles& toggles);

}  // namespace zc
