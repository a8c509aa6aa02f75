// Several sources' sound in one track.
#pragma once

#include "audio/audio_resampler.h"
#include "base/error.h"
#include "media/audio.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace zc {

/// What a frame is like, 1 being full scale.
struct AudioLevel {
  float peak = 0;
  float rms = 0;  ///< over all channels
};

/// Adds up sources in frames of a fixed length, from `start` (CLOCK_MONOTONIC) on without end. Sources come and go; a
/// frame waits for each of them for a moment, then goes on without: nobody's sound holds up anybody's. A source whose
/// sound always comes later (Bluetooth) is waited for longer from then on. What would be too loud is turned down, from
/// before its peak on, never clipped into a square; what is not goes through as it is. A caller that pushes takes the
/// frames, too: what waits for it is not bounded.
///
/// One thread. Allocates nothing while the sources' blocks follow each other.
class AudioMixer {
 public:
  /// How long a frame waits for a source's sound after its own time is over: a few periods of any device, and of one
  /// whose sound comes too late for that, so much more each time, up to a limit.
  static constexpr Nanoseconds kPatience = std::chrono::milliseconds(200);
  static constexpr Nanoseconds kMorePatience = std::chrono::milliseconds(50);
  static constexpr Nanoseconds kMostPatience = std::chrono::seconds(2);

  AudioMixer(std::uint64_t layout, std::size_t frame_samples, Nanoseconds start);

  using Input = std::uint32_t;
  /// From the next frame on. Errors as AudioResampler::create().
  [[nodiscard]] Result<Input> add(const AudioFormat& format, float gain = 1);
  /// What it has given is still heard.
  void remove(Input input);
  /// Errors as AudioResampler::push(). An input that is none any more is nobody's business.
  [[nodiscard]] Result<void> push(Input input, const AudioBlock& block);
  /// From the next frame on, within which it is faded to: 0 is silence, 1 as it came.
  void set_gain(Input input, float gain);

  /// The next frame's position, in samples since `start`.
  [[nodiscard]] std::int64_t position() const { return position_; }
  /// The next frame, interleaved, once all of its sound is there or has been waited for: valid until the next call.
  /// `now`: CLOCK_MONOTONIC.
  [[nodiscard]] std::optional<std::span<const float>> next(Nanoseconds now);
  /// Of the newest frame.
  [[nodiscard]] const AudioLevel& level() const { return level_; }
  [[nodiscard]] std::optional<AudioResamplerStats> stats(Input input) const;

 private:
  struct Source {
    Input id;
    AudioResampler sound;
    float gain;              ///< that is wanted
    float heard;             ///< that the newest frame ended with
    std::uint64_t late = 0;  ///< samples, when it was looked last
    std::int64_t since = 0;  ///< position at which it came
    bool leaving = false;
  };

  [[nodiscard]] Source* find(Input input);
  void grow_patience();
  void add_up(Source& source);
  void limit();
  void measure();

  std::uint64_t layout_;
  std::size_t channels_;
  std::size_t frame_samples_;
  Nanoseconds start_;
  std::int64_t position_ = 0;
  Input last_ = 0;
  std::vector<Source> sources_;
  Nanoseconds patience_ = kPatience;
  std::vector<float> frame_;
  float held_ = 1;         ///< what the newest frame was turned down to
  std::int64_t hold_ = 0;  ///< samples for which it stays so at the least
  AudioLevel level_;
};

}  // namespace zc
