#pragma once

#include <spdlog/spdlog.h>

#include <memory>
#include <string_view>

namespace zc {

/// Sets up logging once, before any other thread starts.
/// Reads ZEROCAST_LOG ("info", or "warn,capture=debug"; levels trace, debug, info, warn, error, off); unknown words are
/// reported on stderr and ignored. Writes to stderr, or to the journal when systemd started the process
/// (JOURNAL_STREAM).
void init_logging();

/// Warnings and errors only, unless ZEROCAST_LOG says something else.
void set_quiet_logging();

/// What every line on stderr begins with, from now on: a live status line passes the control sequence that takes itself
/// off the terminal, and "" when it is done. No effect on the journal. Thread-safe, after init_logging().
void set_log_line_start(std::string_view start);

/// The folder's logger: "audio", "capture", "zerocopy", "encode", "output", "session", "daemon", "cli", "ffmpeg". Made
/// on first use; thread-safe. Keep the reference in a function-local static or ask again; the logger lives until the
/// process ends.
[[nodiscard]] spdlog::logger& logger(std::string_view folder);

}  // namespace zc
