#pragma once

#include "base/error.h"

#include <chrono>
#include <string>
#include <string_view>

namespace zc {

/// The file that a pattern names now. `%Y %y %m %d %F %j %H %I %M %S %s %p %a %b` are strftime()'s, in local time, `%%`
/// is a percent sign, `%{` a brace; `{name}` is `session`; `{n}` is the first number from 1 on that no file has.
/// Invalid: anything else behind a %.
[[nodiscard]] Result<std::string> expand_file_name(
    std::string_view pattern, std::string_view session,
    std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

/// The pattern of just this name.
[[nodiscard]] std::string literal_file_name(std::string_view path);

/// "clip-2.mp4" after "clip.mp4", or the first number that no file has.
[[nodiscard]] std::string free_path(const std::string& path);

/// The file of a recording, or of a session's picture, without a name: in the folder "zerocast" among the user's
/// videos, which is made when it is missing, by the time, behind the session's name. No file has it.
[[nodiscard]] Result<std::string> default_file(std::string_view extension, std::string_view session = {});

}  // namespace zc
