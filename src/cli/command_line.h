// The whole command line in one place: its definition, its parser (CLI11 underneath), its description for help and
// documentation.
#pragma once

#include "base/error.h"
#include "cli/daemon_options.h"
#include "cli/options.h"
#include "settings/argument.h"
#include "settings/config_file.h"
#include "settings/record_options.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace zc {

/// `--help`, `--version`: print this on stdout and leave.
struct ShowText {
  std::string text;
};

/// What to do. RecordOptions::live tells `stream` from `record`.
using Invocation = std::variant<ShowText, RecordOptions, SourcesOptions, EncodersOptions, ZerocopyProbeOptions,
                                VerifyCommandOptions, RemuxOptions, SnapshotOptions, CompletionOptions, ConfigOptions,
                                DaemonOptions, StartOptions, StatusOptions, ActionOptions, ViewOptions>;

/// Asked for the defaults of a command, and only for a command that has any.
using ConfigReader = std::function<Result<Config>()>;

/// Parses what follows the program's name. Invalid: one line that says what is wrong and what is valid; also errors of
/// `config`, without which there are only the built-in defaults. Never throws and never prints.
[[nodiscard]] Result<Invocation> parse_command_line(std::span<const char* const> arguments,
                                                    const ConfigReader& config = nullptr);

/// Every subcommand, in the order help shows them.
[[nodiscard]] std::vector<CommandInfo> command_infos();
/// The options that stand before or instead of a subcommand, and those that every subcommand has.
[[nodiscard]] std::vector<Argument> global_options();
[[nodiscard]] Argument help_option();

[[nodiscard]] std::string_view program_summary();
/// "0.1.0".
[[nodiscard]] std::string_view program_version();

}  // namespace zc
