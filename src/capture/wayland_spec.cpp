#include "capture/wayland_spec.h"

#include <algorithm>

namespace zc {
namespace {

constexpr std::string_view kWindow = "window:";

}  // namespace

Result<WaylandSpec> parse_wayland(std::string_view rest) {
  const bool printable = std::ranges::all_of(rest, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  if (!printable) {
    return fail(ErrorKind::Invalid, "read the source", "an output or a window has no control characters in its name");
  }
  if (!rest.starts_with(kWindow)) return WaylandSpec{.output = std::string(rest), .window = {}};
  const std::string_view window = rest.substr(kWindow.size());
  if (window.empty()) {
    return fail(ErrorKind::Invalid, "read the source",
                "'wayland:window:' names no window; 'zerocast sources' lists their identifiers");
  }
  return WaylandSpec{.output = {}, .window = std::string(window)};
}

std::string text_of(const WaylandSpec& spec) {
  if (!spec.window.empty()) return "wayland:window:" + spec.window;
  return spec.output.empty() ? "wayland" : "wayland:" + spec.output;
}

}  // namespace zc
