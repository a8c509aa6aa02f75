#pragma once

#include <string>
#include <string_view>

namespace zc {

/// What came in, fit for a message: quoted, control characters replaced, cut when very long (between characters, where
/// it is UTF-8).
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace zc
