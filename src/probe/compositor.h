// Which GPU the Wayland compositor composes on.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "probe/report.h"

#include <string>

namespace zc::probe {

/// compositor_device() over a connected socket, in `limit` at most. What it does not say is a reason, not an error.
[[nodiscard]] CompositorFacts ask_compositor(UniqueFd socket, Nanoseconds limit);

/// The same of the compositor that WaylandWire::connect() finds.
[[nodiscard]] CompositorFacts ask_compositor(Nanoseconds limit);

}  // namespace zc::probe
