#pragma once

#include "settings/argument.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace zc {

/// `zerocast --help`, 80 columns.
[[nodiscard]] std::string program_help();
/// `zerocast GROUP --help`, 80 columns.
[[nodiscard]] std::string group_help(std::string_view group);
/// `zerocast COMMAND --help`, 80 columns.
[[nodiscard]] std::string command_help(const CommandInfo& command);

/// "[OPTIONS] FILE".
[[nodiscard]] std::string synopsis(const CommandInfo& command);
/// The argument's help with its choices and default: "Bits per colour component. One of 8, 10; default 8."
[[nodiscard]] std::string full_help(const Argument& argument);
/// `text` broken at blanks into lines of at most `columns`, all but the first indented by `indent`.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent);

}  // namespace zc
