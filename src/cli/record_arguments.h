// The arguments of `record` and `stream`.
#pragma once

#include "cli/argument.h"
#include "cli/options.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace zc {

/// What was typed, before the parts that depend on each other are put together.
struct RecordWords {
  RecordOptions options;
  std::string source = "portal";
  std::string output;  ///< FILE, URL or "-"
  std::vector<std::string> tees;
  std::optional<std::string> container;  ///< of `output`; nullopt: by its extension
  bool overwrite = false;
  std::optional<ColourRange> range;
};

/// The rows of `record`, or with `live` those of `stream`.
[[nodiscard]] std::vector<ArgumentRow<RecordWords>> record_arguments(bool live);
[[nodiscard]] RecordWords record_defaults(bool live);
[[nodiscard]] std::span<const Conflict> record_conflicts();
[[nodiscard]] Result<RecordOptions> finish_record(RecordWords words);

}  // namespace zc
