// What the commands other than `record` and `stream` (settings/record_options.h) are asked, as plain data.
#pragma once

#include "base/clock.h"
#include "config/web_settings.h"
#include "encode/settings.h"
#include "media/geometry.h"
#include "output/output_spec.h"
#include "settings/record_options.h"
#include "verify/verify.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace zc {

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

struct VerifyCommandOptions {
  verify::VerifyOptions verify;
  bool json = false;
};

struct RemuxOptions {
  std::string input;
  FileOutput output;
  Container container = Container::Mkv;  ///< of the output
};

struct SnapshotOptions {
  std::string session;   ///< whose newest picture; empty: by `source`, or the only session there is
  bool source = false;   ///< one was named: its first picture, whichever sessions there are
  RecordOptions record;  ///< how to capture the source
  FileOutput output;     ///< empty path: stdout
};

struct ViewOptions {
  WebSettings web;
  std::vector<std::string> templates;  ///< of the configuration, that the page offers
  std::string source;                  ///< to be shown by a session of its own; empty: none
  std::vector<std::string> layers;     ///< above that
  bool link_only = false;
  bool read_only = false;
  unsigned hours = 720;  ///< that the link works
};

enum class ConfigAction : std::uint8_t { Show, Path, Example, Check };

struct ConfigOptions {
  ConfigAction action = ConfigAction::Show;
};

struct DaemonOptions {};

enum class Shell : std::uint8_t { Bash, Zsh, Fish };

struct CompletionOptions {
  Shell shell = Shell::Bash;
};

}  // namespace zc
