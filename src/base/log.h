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

/// The folder's logger: "capture", "zerocopy", "encode", "output", "session", "cli". Made on first use; thread-safe.
/// Keep the reference in a function-local static or ask again; the logger lives until the process ends.
[[nodiscard]] spdlog::logger& logger(std::string_view folder);

}  // namespace zc
