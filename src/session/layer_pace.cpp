#include "session/layer_pace.h"

#include <algorithm>

namespace zc {
namespace {

using std::chrono::milliseconds;

/// A source that has given nothing for twice its interval, between these, stands still.
constexpr Nanoseconds kLeastStill = milliseconds(20);
constexpr Nanoseconds kMostStill = milliseconds(100);

bool moves(const LayerBeat& layer, Nanoseconds now) {
  return layer.interval > Nanoseconds{} && now - layer.newest <= 2 * layer.interval;
}

}  // namespace

Nanoseconds still_from(const MainBeat& main) {
  return main.newest + std::clamp(2 * main.interval, kLeastStill, kMostStill);
}

std::optional<Nanoseconds> layers_due(std::span<const LayerBeat> layers, const MainBeat& main, Nanoseconds drawn,
                                      Nanoseconds now) {
  const LayerBeat* fastest = nullptr;
  for (const LayerBeat& layer : layers) {
    if (moves(layer, now) && (fastest == nullptr || layer.interval < fastest->interval)) fastest = &layer;
  }
  std::optional<Nanoseconds> due;
  for (const LayerBeat& layer : layers) {
    if (!layer.changed) continue;
    const bool waits = fastest != nullptr && fastest != &layer && !layer.at_once;
    const Nanoseconds at = waits ? drawn + fastest->interval * 3 / 2 : Nanoseconds{};
    due = std::min(due.value_or(at), at);
  }
  if (!due) return std::nullopt;
  return std::max(*due, still_from(main));
}

}  // namespace zc
