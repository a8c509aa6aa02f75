// The page's files, built into the program.
#pragma once

#include <span>
#include <string_view>

namespace zc::web {

struct Asset {
  std::string_view path;  ///< "/app.js"
  std::string_view type;  ///< of HTTP
  std::string_view bytes;
};
[[nodiscard]] std::span<const Asset> assets();

}  // namespace zc::web
