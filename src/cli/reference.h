// What the documentation lists besides commands and options.
#pragma once

#include <span>
#include <string_view>

namespace zc {

struct ReferenceEntry {
  std::string_view name;
  std::string_view help;
};

/// Environment variables the program reads, itself or through its libraries.
[[nodiscard]] std::span<const ReferenceEntry> environment_entries();
/// Files the program reads or writes.
[[nodiscard]] std::span<const ReferenceEntry> file_entries();

}  // namespace zc
