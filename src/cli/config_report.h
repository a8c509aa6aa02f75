// The configuration as text: what is in force, and a file to start from. Both are valid configuration files.
#pragma once

#include "base/toggles.h"
#include "settings/config_file.h"

#include <string>
#include <string_view>

namespace zc {

/// Each setting's value and where it comes from. `path`: where a file is looked for.
[[nodiscard]] std::string config_text(const Config& config, std::string_view path, const Toggles& toggles);
/// Every setting with what it does and its default, all commented out.
[[nodiscard]] std::string config_example();

}  // namespace zc
