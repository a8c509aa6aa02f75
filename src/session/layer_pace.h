#pragma once

#include "base/clock.h"

#include <optional>
#include <span>

namespace zc {

/// A layer as the pace sees it. Times are CLOCK_MONOTONIC.
struct LayerBeat {
  Nanoseconds newest{};    ///< when its newest picture came; zero: none yet
  Nanoseconds interval{};  ///< between the newest two; zero: there are not two
  bool changed = false;    ///< it shows something else than what was drawn last
  bool at_once = false;    ///< since its user wants that, or it has gone
};

/// How the main source has been moving.
struct MainBeat {
  Nanoseconds newest{};
  Nanoseconds interval{};
};

/// From when on a main source counts as standing still, if it gives nothing. Pure.
[[nodiscard]] Nanoseconds still_from(const MainBeat& main);

/// When layers that have changed are to be drawn without a new picture of the main source; nullopt: they have not.
/// While the main source moves it paces, and layers come along. When it has stood still for a moment, the fastest layer
/// that moves does, and the others come along with that one. Pure.
[[nodiscard]] std::optional<Nanoseconds> layers_due(std::span<const LayerBeat> layers, const MainBeat& main,
                                                    Nanoseconds drawn, Nanoseconds now);

}  // namespace zc
