// How the daemon starts a session's process.
#pragma once

#include <string_view>

namespace zc {

/// The whole command line behind the program's name.
inline constexpr std::string_view kWorkerArgument = "--session-process";
/// The Channel to the daemon.
inline constexpr int kWorkerFd = 3;

}  // namespace zc
