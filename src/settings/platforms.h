// The streaming platforms that `stream` knows by name.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace zc {

/// As it is typed: "twitch", "youtube", "owncast:HOST".
[[nodiscard]] std::span<const std::string_view> platform_words();
/// Where that platform takes streams, as parse_output() has it, without a key. nullopt: it is none of them.
[[nodiscard]] std::optional<std::string> platform_url(std::string_view text);

}  // namespace zc
