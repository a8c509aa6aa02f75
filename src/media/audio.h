// Sound between its source and its encoder.
#pragma once

#include "base/clock.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace zc {

/// Samples a second of every track: what sound servers run at, and what Opus takes.
inline constexpr unsigned kAudioRate = 48'000;

/// Loudspeakers as FFmpeg's bits (AV_CH_*), which stand in the order of the channels.
inline constexpr std::uint64_t kMono = 0x4;
inline constexpr std::uint64_t kStereo = 0x3;
inline constexpr std::uint64_t kSurround51 = 0x3F;
inline constexpr std::uint64_t kSurround71 = 0x63F;

struct AudioFormat {
  unsigned rate = kAudioRate;  ///< samples a second, by the device's own clock
  std::uint64_t layout = kStereo;
  [[nodiscard]] std::size_t channels() const { return static_cast<std::size_t>(std::popcount(layout)); }
  bool operator==(const AudioFormat&) const = default;
};

/// What a source gives in one go. The samples are interleaved, full scale is -1 to 1; they belong to the source and
/// hold for the call that hands them over.
struct AudioBlock {
  Nanoseconds time{};  ///< CLOCK_MONOTONIC when the first sample was at the microphone, or at the loudspeaker
  std::span<const float> samples;
};

}  // namespace zc
