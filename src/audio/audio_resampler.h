// A device's sound on the recording's clock.
#pragma once

#include "audio/device_clock.h"
#include "base/error.h"
#include "media/audio.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct SwrContext;

namespace zc {

struct AudioResamplerStats {
  double slowness_ppm = 0;    ///< of the device's clock
  std::uint64_t gaps = 0;     ///< times that its blocks did not follow each other
  std::uint64_t silence = 0;  ///< samples, where there was no sound
  std::uint64_t late = 0;     ///< samples that came when their time had been given out as silence
};

/// Turns blocks of a device into samples of kAudioRate without end: the sample at position p was heard at `start` +
/// p / kAudioRate of CLOCK_MONOTONIC. A device whose clock is another one is resampled by what that clock is measured
/// to be, so that nothing adds up; no sample is dropped or doubled for it. Where blocks are missing there is silence of
/// just their length. Channels are mixed to those that are wanted (libswresample's matrix).
///
/// One thread. Allocates nothing while blocks follow each other and are taken.
class AudioResampler {
 public:
  /// Sound from `position` on. Unsupported: libswresample does not convert these.
  [[nodiscard]] static Result<AudioResampler> create(const AudioFormat& in, std::uint64_t layout, Nanoseconds start,
                                                     std::int64_t position = 0);
  AudioResampler(const AudioResampler&) = delete;
  AudioResampler& operator=(const AudioResampler&) = delete;
  AudioResampler(AudioResampler&&) noexcept = default;
  AudioResampler& operator=(AudioResampler&&) noexcept = default;
  ~AudioResampler() = default;

  /// Internal: libswresample failed.
  [[nodiscard]] Result<void> push(const AudioBlock& block);
  /// There is no sound before that position; it is silence where none has come.
  void pad(std::int64_t position);

  /// Behind the last sample that can be taken.
  [[nodiscard]] std::int64_t end() const { return end_; }
  /// The oldest that was not taken, interleaved; `count` of them, which are there.
  [[nodiscard]] std::span<const float> front(std::size_t count) const;
  void drop(std::size_t count);

  [[nodiscard]] AudioResamplerStats stats() const;

 private:
  struct Free {
    void operator()(SwrContext* context) const noexcept;
  };

  AudioResampler(const AudioFormat& in, std::uint64_t layout, Nanoseconds start, std::int64_t position);
  [[nodiscard]] Result<void> begin_run(double time, std::size_t samples);
  /// What is still inside the filter comes out; the next block begins anew.
  void end_run();
  void steer();
  [[nodiscard]] Result<void> convert(const float* samples, std::size_t count);
  void add_silence(std::int64_t count);
  /// Room behind the samples that are there.
  [[nodiscard]] float* room(std::size_t count);
  void compact();

  AudioFormat in_;
  std::uint64_t layout_;
  std::size_t channels_;
  Nanoseconds start_;
  DeviceClock clock_;
  std::unique_ptr<SwrContext, Free> swr_;
  bool running_ = false;
  std::int64_t end_;
  std::vector<float> samples_;  ///< from taken_ on
  std::size_t taken_ = 0;       ///< floats
  AudioResamplerStats stats_;
};

}  // namespace zc
