// What a session may be called, and where the daemon is found on the bus.
#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace zc {

inline constexpr const char* kBusName = "org.zerocast.Daemon1";
inline constexpr const char* kManagerPath = "/org/zerocast/Daemon1";
inline constexpr const char* kManagerInterface = "org.zerocast.Daemon1.Manager";
inline constexpr const char* kSessionInterface = "org.zerocast.Daemon1.Session";

/// 1 to 64 letters, digits, '-' and '_': it becomes part of an object path and of files' names. Invalid otherwise.
[[nodiscard]] Result<void> check_session_name(std::string_view name);

}  // namespace zc
