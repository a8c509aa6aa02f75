// Scaling of small pictures that have to come out exactly: pointers, and layers with alpha.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace zc {

/// Which of `from` samples make sample `index` of `to`, and how much of each: linear interpolation when it grows, a
/// mean that falls off linearly when it shrinks. Exactly the sample itself when the sizes agree.
struct Tent {
  Tent(std::uint32_t index, std::uint32_t to, std::uint32_t from)
      : centre((index + 0.5) * from / to - 0.5),
        radius(std::max(1.0, static_cast<double>(from) / to)),
        first(static_cast<std::int64_t>(std::floor(centre - radius)) + 1),
        last(static_cast<std::int64_t>(std::ceil(centre + radius)) - 1),
        samples(from) {
    double sum = 0;
    for (std::int64_t i = first; i <= last; ++i) sum += radius - std::abs(static_cast<double>(i) - centre);
    scale = 1 / sum;
  }
  [[nodiscard]] float weight(std::int64_t i) const {
    return static_cast<float>((radius - std::abs(static_cast<double>(i) - centre)) * scale);
  }
  [[nodiscard]] std::size_t clamped(std::int64_t i) const {
    return static_cast<std::size_t>(std::clamp<std::int64_t>(i, 0, std::int64_t{samples} - 1));
  }
  double centre, radius;
  std::int64_t first, last;
  std::uint32_t samples;
  double scale = 1;
};

}  // namespace zc
