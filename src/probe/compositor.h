// Which GPU the Wayland compositor composes on.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "probe/report.h"

#include <string>

namespace zc::probe {

/// Asks the compositor for its default dmabuf feedback (zwp_linux_dmabuf_v1, version 4) over a connected socket; no
/// library is needed for that. Every wait ends after `limit`. What it does not say is a reason, not an error.
[[nodiscard]] CompositorFacts ask_compositor(UniqueFd socket, Nanoseconds limit);

/// The same of the compositor that WAYLAND_DISPLAY and XDG_RUNTIME_DIR name.
[[nodiscard]] CompositorFacts ask_compositor(Nanoseconds limit);

}  // namespace zc::probe
