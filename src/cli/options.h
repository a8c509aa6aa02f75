// What the command line says, as plain data.
#pragma once

#include "base/clock.h"
#include "capture/cursor_mode.h"
#include "capture/source_spec.h"
#include "encode/settings.h"
#include "media/geometry.h"
#include "output/output_spec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace zc {

/// `zerocast record FILE` and `zerocast stream URL`: the same job with other defaults.
struct RecordOptions {
  bool live = false;                ///< `stream`: low-latency defaults, a full queue drops instead of waiting
  std::vector<OutputSpec> outputs;  ///< FILE or URL first, then each --tee; never empty once parsed

  SourceSpec source;
  CursorMode cursor = CursorMode::Embedded;
  bool restore = true;                  ///< use and keep the portal's restore token
  std::string restore_slot{"default"};  ///< which token
  EncoderSettings encoder;
  std::optional<Size> size;               ///< px of the coded picture; nullopt: the source's
  std::optional<Rect> crop;               ///< px of the source's picture
  std::optional<Rational> constant_rate;  ///< nullopt: variable rate, true timestamps
  Rational min_rate{1, 1};                ///< a static picture is repeated at least this often; zero: never
  std::optional<Nanoseconds> duration;    ///< nullopt: until stopped

  bool json = false;   ///< one JSON object as the last line of stdout
  bool quiet = false;  ///< no status line, no closing report
};

struct SourcesOptions {
  bool json = false;
};

struct EncodersOptions {
  bool json = false;
  Size size{1920, 1080};  ///< px: what the probes encode
  unsigned bit_depth = 8;
  Chroma chroma = Chroma::Yuv420;
};

struct ZerocopyProbeOptions {
  bool json = false;
  Nanoseconds step_limit = std::chrono::seconds(30);
};

enum class Shell : std::uint8_t { Bash, Zsh, Fish };

struct CompletionOptions {
  Shell shell = Shell::Bash;
};

}  // namespace zc
