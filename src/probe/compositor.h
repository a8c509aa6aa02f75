// Which GPU the Wayland compositor composes on.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "probe/report.h"

#include <string>

namespace zc::probe {

/// compositor_device(), in `limit` at most. What it does not say is a reason, not an error.
[[nodiscard]] CompositorFacts ask_compositor(Nanoseconds limit);

}  // namespace zc::probe
