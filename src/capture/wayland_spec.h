#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace zc {

/// `wayland`, `wayland:OUTPUT`, `wayland:window:IDENTIFIER`: what the Wayland compositor itself copies for us, without
/// a dialog.
struct WaylandSpec {
  std::string output;  ///< "DP-1"; empty: the only one, or those that a region touches
  std::string window;  ///< ext_foreign_toplevel_handle_v1's identifier; empty: no window
  bool operator==(const WaylandSpec&) const = default;
};

inline constexpr std::string_view kWaylandForm = "wayland[:OUTPUT|window:IDENTIFIER]";

/// What follows "wayland:". Invalid: characters or lengths that no name has.
[[nodiscard]] Result<WaylandSpec> parse_wayland(std::string_view rest);
[[nodiscard]] std::string text_of(const WaylandSpec& spec);

}  // namespace zc
