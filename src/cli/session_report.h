#pragma once

#include "cli/exit_codes.h"
#include "ipc/daemon_client.h"

#include <span>
#include <string>
#include <string_view>

namespace zc {

/// The daemon's sessions, a line each. `figures`: how they do, with a line for each sink that has no peer, has failed
/// or waits for viewers; else where they go.
[[nodiscard]] std::string sessions_text(std::span<const SessionView> sessions, bool figures);
/// One session with every figure.
[[nodiscard]] std::string session_text(const SessionView& session);
/// For each sink that waits for viewers what these type; may be empty.
[[nodiscard]] std::string watch_text(const SessionView& session);
/// Its layers, a line each, the lowest first.
[[nodiscard]] std::string layers_text(const SessionView& session);
/// {"layers": [...]}, one line.
[[nodiscard]] std::string layers_json(const SessionView& session);
/// What a session that was stopped reports: its outputs, a line each.
[[nodiscard]] std::string stopped_text(std::string_view report);
/// Output: one of them failed.
[[nodiscard]] ExitCode stopped_exit(std::string_view report);
/// {"sessions": [...]}, one line.
[[nodiscard]] std::string sessions_json(std::span<const SessionView> sessions);
/// One session as a JSON object, one line.
[[nodiscard]] std::string session_json(const SessionView& session);

}  // namespace zc
