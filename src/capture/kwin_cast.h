#pragma once

#include "capture/cast_source.h"

namespace zc {

/// A stream of KWin's, by its protocol zkde_screencast_unstable_v1 (version 1: outputs, 2: new outputs, 3: regions).
/// KWin offers it to programs whose installed desktop file names it (X-KDE-Wayland-Interfaces); others do not see it.
/// NotFound: no compositor, or no such output. Denied: it does not offer the protocol. Unsupported: its version has not
/// got that. Otherwise as OpenCast.
[[nodiscard]] Result<std::unique_ptr<ScreenCast>> open_kwin_cast(const CastSpec& spec, CursorMode cursor,
                                                                 const std::stop_token& stop);

/// The name of the protocol's global.
inline constexpr std::string_view kKWinScreencast = "zkde_screencast_unstable_v1";

}  // namespace zc
