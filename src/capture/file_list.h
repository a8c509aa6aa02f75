#pragma once

#include "base/error.h"

#include <string>
#include <vector>

namespace zc {

/// The media files that `path` stands for: itself, or what a list names (ending in m3u or m3u8: a path a line, relative
/// to the list's folder; '#' begins a comment). NotFound, Denied: the list, or a file of it. Invalid: it names a URL or
/// nothing at all, or is no list.
[[nodiscard]] Result<std::vector<std::string>> files_of(const std::string& path);

}  // namespace zc
