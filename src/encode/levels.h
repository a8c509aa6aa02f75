// What a level promises to a decoder.
#pragma once

#include "media/codec.h"
#include "media/geometry.h"

#include <cstdint>
#include <optional>

namespace zc {

/// Numbers of samples of luma; for H.264, which counts macroblocks, those of whole ones.
struct LevelLimits {
  std::uint64_t picture = 0;  ///< in one picture
  std::uint64_t rate = 0;     ///< in a second
  std::uint64_t buffer = 0;   ///< in the pictures that a decoder keeps; 0: not by the level alone
};

/// ITU-T H.264 table A-1, ITU-T H.265 tables A.8 and A.9, AV1 specification A.3. `level` as in ProfileLevel. nullopt:
/// the level is unknown, or one without limits.
[[nodiscard]] std::optional<LevelLimits> level_limits(Codec codec, int level);

/// Samples of luma as level_limits() counts them.
[[nodiscard]] std::uint64_t luma_samples(Codec codec, Size size);

}  // namespace zc
