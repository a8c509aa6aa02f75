// The list of recordings that fail today: "FIXTURE CASE REASON" a line, '#' begins a comment.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>

namespace zc::test {

/// By fixture and case, the reason.
using KnownFailures = std::map<std::pair<std::string, std::string>, std::string>;
/// Throws std::runtime_error on a file that cannot be read and on a line without a reason.
[[nodiscard]] KnownFailures read_known_failures(const std::filesystem::path& file);

}  // namespace zc::test
