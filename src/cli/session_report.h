#pragma once

#include "client/daemon_client.h"

#include <span>
#include <string>

namespace zc {

/// The daemon's sessions, a line each. `figures`: how they do, else where they go.
[[nodiscard]] std::string sessions_text(std::span<const SessionView> sessions, bool figures);
/// One session with every figure.
[[nodiscard]] std::string session_text(const SessionView& session);
/// {"sessions": [...]}, one line.
[[nodiscard]] std::string sessions_json(std::span<const SessionView> sessions);
/// One session as a JSON object, one line.
[[nodiscard]] std::string session_json(const SessionView& session);

}  // namespace zc
