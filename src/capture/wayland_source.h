#pragma once

#include "base/error.h"
#include "capture/cursor_mode.h"
#include "capture/source.h"
#include "capture/wayland_spec.h"
#include "media/geometry.h"

#include <memory>
#include <optional>
#include <stop_token>

namespace zc {

struct WaylandSourceOptions {
  CursorMode cursor = CursorMode::Embedded;
  /// Logical px of the desktop; several outputs that it touches become one picture.
  std::optional<Rect> region = std::nullopt;
  std::stop_token stop = {};  ///< ends the waits in start()
};

/// Outputs or a window that the Wayland compositor copies into our buffers itself, without a dialog and without
/// PipeWire: by ext-image-copy-capture-v1 where it has that, else, outputs, by zwlr_screencopy_manager_v1. The first
/// picture comes at once, later ones when something has changed, with what has changed.
///
/// start() fails with NotFound (no compositor, no such output or window), Unsupported (neither protocol, no common
/// format), Timeout (an output that shows nothing), Lost, Invalid (several outputs and none named; a region that
/// touches none; a cursor mode there is none of). Later on_state(Ended) carries Lost: the output, the window or the
/// compositor is gone.
[[nodiscard]] Result<std::unique_ptr<Source>> make_wayland_source(WaylandSpec spec, WaylandSourceOptions options);

}  // namespace zc
