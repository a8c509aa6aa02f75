// Coded sound.
#pragma once

#include "media/audio.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

enum class AudioCodec : std::uint8_t { Opus, Aac, Flac, Pcm };
inline constexpr std::array kAudioCodecs{AudioCodec::Opus, AudioCodec::Aac, AudioCodec::Flac, AudioCodec::Pcm};

/// "opus", "aac", "flac", "pcm": the words of the command line, the config and the metrics.
[[nodiscard]] constexpr std::string_view to_string(AudioCodec codec) {
  switch (codec) {
    case AudioCodec::Opus: return "opus";
    case AudioCodec::Aac: return "aac";
    case AudioCodec::Flac: return "flac";
    case AudioCodec::Pcm: return "pcm";
  }
  return "opus";
}

/// All a sink must know of a track before its first packet.
struct AudioStreamParameters {
  AudioCodec codec = AudioCodec::Opus;
  std::uint64_t layout = kStereo;
  std::int64_t bit_rate = 0;      ///< bit/s; 0: of a codec without loss
  unsigned bit_depth = 0;         ///< of a codec without loss
  std::size_t frame_samples = 0;  ///< of every packet but the last
  std::size_t priming = 0;        ///< samples that a decoder gives before the first real one
  std::vector<std::byte> extradata;
  std::string title;  ///< for players' menus
};

}  // namespace zc
