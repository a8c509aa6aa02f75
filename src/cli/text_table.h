#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// Aligned columns, two blanks apart, the last one ragged; one line per row. UTF-8 characters count as one column,
/// control characters become blanks (names come from other programs). Every row has as many cells as `headings`.
[[nodiscard]] std::string text_table(std::span<const std::string_view> headings,
                                     std::span<const std::vector<std::string>> rows);

}  // namespace zc
