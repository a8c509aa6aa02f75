#pragma once

#include "capture/output_capture.h"
#include "capture/wayland_client.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

struct wl_output;

namespace zc {

/// Whether the compositor captures outputs by ext-image-copy-capture-v1 (wlroots 0.19 and cosmic do).
[[nodiscard]] bool has_ext_output_capture(const WaylandClient& client);
/// Whether it captures windows by it.
[[nodiscard]] bool has_ext_window_capture(const WaylandClient& client);

/// Unsupported: the compositor has no such protocol.
[[nodiscard]] Result<std::unique_ptr<OutputCapture>> capture_output_by_ext(WaylandClient& client, wl_output* output,
                                                                           bool with_cursor);

/// A window of the desktop, by ext-foreign-toplevel-list-v1.
struct WaylandWindow {
  std::string identifier;  ///< unique among all there have been
  std::string title;
  std::string app_id;
};
/// Errors as WaylandClient::wait(); Unsupported: the compositor lists none.
[[nodiscard]] Result<std::vector<WaylandWindow>> list_wayland_windows(WaylandClient& client, Nanoseconds deadline);

/// NotFound: there is no window of that identifier. Unsupported; errors as WaylandClient::wait().
[[nodiscard]] Result<std::unique_ptr<OutputCapture>> capture_window_by_ext(WaylandClient& client,
                                                                           const std::string& identifier,
                                                                           bool with_cursor, Nanoseconds deadline);

}  // namespace zc
