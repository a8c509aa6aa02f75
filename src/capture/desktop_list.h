#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/geometry.h"

#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// Something that the compositor gives without the portal, for `zerocast sources`.
struct DesktopSource {
  std::string source;         ///< what `--source` takes: "wayland:DP-1"; or a form: "mutter:virtual:WxH"
  std::string_view kind;      ///< "output", "window", "area", "virtual"
  Size size = {};             ///< px, as it is seen; empty: none yet, or not known
  double rate = 0;            ///< pictures a second; 0: not known
  std::string way;            ///< what it goes by, and needs: "no dialog; wlr-screencopy"
  std::string description{};  ///< for a person
};

struct DesktopSources {
  std::vector<DesktopSource> sources;
  std::vector<std::string> problems;  ///< what would be there and is not, one line each
};

/// Asks the Wayland compositor, and Mutter on the session bus; takes about `patience` each at most. Where there is
/// neither, that is a line of the problems.
[[nodiscard]] DesktopSources list_desktop_sources(Nanoseconds patience);

}  // namespace zc
