#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace zc {

/// A layer as it was typed, with the path of its picture as the daemon finds it, which has another folder. Errors as
/// layer_value().
[[nodiscard]] Result<std::string> absolute_layer(std::string_view option, std::string_view text);

}  // namespace zc
