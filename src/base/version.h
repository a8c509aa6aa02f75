#pragma once

#include <string_view>

namespace zc {

/// "0.1.0".
[[nodiscard]] std::string_view version();

}  // namespace zc
