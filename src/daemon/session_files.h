#pragma once

#include "base/error.h"
#include "config/setting_value.h"

#include <span>
#include <string_view>
#include <vector>

namespace zc::daemon {

/// What a session's files are called: patterns become names (expand_file_name()), a session without any sink or replay
/// gets default_file(), and a file that its template names goes beside those of earlier days (free_path()).
/// `defaults`: what holds where `settings` say nothing.
[[nodiscard]] Result<void> name_files(std::vector<Setting>& settings, std::span<const Setting> defaults,
                                      std::string_view session, bool from_template);

}  // namespace zc::daemon
