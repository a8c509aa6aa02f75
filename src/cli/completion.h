#pragma once

#include "cli/options.h"

#include <span>
#include <string>
#include <string_view>

namespace zc {

/// The program answers what may be typed next (complete()) where this is its first argument; the completion files ask.
inline constexpr std::string_view kCompleteArgument = "--complete";

/// What may stand in the place of the last of these words, which follow the program's name: a line each, with a
/// description behind a tab. ":files": a file's name.
[[nodiscard]] std::string complete(std::span<const char* const> words);

/// The completion file of a shell: asks the program for the rest.
[[nodiscard]] std::string_view completion_file(Shell shell);

}  // namespace zc
