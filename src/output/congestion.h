// How a live sink's peers keep up with what they are sent.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <vector>

namespace zc {

/// What one peer's connection tells of itself; a part that it cannot tell stays 0. Counts rise for as long as it lasts.
struct Congestion {
  std::uint64_t peer = 0;       ///< which of its sink's
  Nanoseconds waiting{};        ///< how long the oldest has waited that the peer could have by now
  std::uint64_t unsent = 0;     ///< bytes that were handed over and are not on their way yet
  std::uint64_t delivered = 0;  ///< bytes that have left, so far
  std::uint64_t late = 0;       ///< messages or packets thrown away because they were too late, so far
};

/// Of one sink of several.
struct SinkCongestion {
  std::uint32_t sink = 0;  ///< no other one has this number
  bool away = false;       ///< its peer is called again
  std::vector<Congestion> peers{};
};

}  // namespace zc
