#pragma once

#include <string>

namespace zc {

/// "clip-2.mp4" after "clip.mp4", or the first number that no file has.
[[nodiscard]] std::string free_path(const std::string& path);

}  // namespace zc
