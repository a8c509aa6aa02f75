#pragma once

#include <chrono>

namespace zc {

/// Nanoseconds of CLOCK_MONOTONIC: the clock of PipeWire's header meta and of every timestamp in the project.
using Nanoseconds = std::chrono::nanoseconds;

/// CLOCK_MONOTONIC now. std::chrono::steady_clock is that clock on Linux.
[[nodiscard]] inline Nanoseconds monotonic_now() noexcept {
  return std::chrono::duration_cast<Nanoseconds>(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace zc
