#pragma once

#include "base/clock.h"
#include "capture/cast_source.h"
#include "media/geometry.h"

#include <string>
#include <vector>

namespace zc {

/// A stream of Mutter's, by org.gnome.Mutter.ScreenCast on the session bus. NotFound: there is no Mutter, or no such
/// monitor. Unsupported: its version has not got that. Otherwise as OpenCast.
[[nodiscard]] Result<std::unique_ptr<ScreenCast>> open_mutter_cast(const CastSpec& spec, CursorMode cursor,
                                                                   const std::stop_token& stop);

/// A monitor as org.gnome.Mutter.DisplayConfig has it.
struct MutterMonitor {
  std::string connector;  ///< "DP-1", "Meta-0"
  std::string name;       ///< for a person; may be empty
  Size mode;              ///< px
  double rate = 0;        ///< pictures a second
};
struct MutterAbilities {
  int version = 0;  ///< of the interface: 2 has windows, 3 areas and new monitors
  std::vector<MutterMonitor> monitors;
};
/// NotFound: there is no Mutter on the session bus; takes `patience` at most.
[[nodiscard]] Result<MutterAbilities> query_mutter(Nanoseconds patience);

}  // namespace zc
