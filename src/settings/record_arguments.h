// The arguments of `record` and `stream`.
#pragma once

#include "settings/argument.h"
#include "settings/record_options.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace zc {

/// What was typed, before the parts that depend on each other are put together.
struct RecordWords {
  RecordOptions options;
  std::string source = "portal";
  std::string output;    ///< FILE, URL, "-", or one of platform_words()
  std::string key_file;  ///< of `output`
  std::vector<std::string> tees;
  std::optional<std::string> container;  ///< of `output`; nullopt: by its extension
  bool overwrite = false;
  SplitLimit split;
  bool mixed_outputs = false;  ///< files and URLs in any order; else `output` is a file, or with `live` a URL
  // Each wins over the standard's.
  std::optional<ColourMatrix> matrix;
  std::optional<ColourRange> range;
  std::optional<ColourPrimaries> primaries;
  std::optional<TransferFunction> transfer;
  bool rgb = false;                       ///< --chroma rgb
  bool silent = false;                    ///< --audio none
  std::optional<AudioCodec> audio_codec;  ///< nullopt: by the outputs
};

/// The rows of `record`, or with `live` those of `stream`.
[[nodiscard]] std::vector<ArgumentRow<RecordWords>> record_arguments(bool live);
[[nodiscard]] RecordWords record_defaults(bool live);
[[nodiscard]] std::span<const Conflict> record_conflicts();
/// Invalid: a source, output or encoder setting that can never work.
[[nodiscard]] Result<RecordOptions> finish_record(RecordWords words);

/// Where one is needed, whether any encoder in question can do what was asked, told before the desktop shows its
/// dialog. Invalid: a setting is wrong; Unsupported: no encoder has that depth, chroma or size.
[[nodiscard]] Result<void> check_encoder(const RecordOptions& options);

}  // namespace zc
