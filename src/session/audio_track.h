#pragma once

#include "audio/audio_encoder.h"
#include "audio/audio_mixer.h"
#include "base/error.h"
#include "capture/audio_source.h"
#include "session/audio_options.h"
#include "session/stream_clock.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

struct AudioSourceStatus {
  std::string name;  ///< as it was asked for
  float gain = 1;
  bool muted = false;
  bool heard = false;  ///< there is one; else it is waited for
};

/// What is not set stays.
struct AudioChange {
  std::optional<float> gain = std::nullopt;  ///< 1: as it came
  std::optional<bool> muted = std::nullopt;
};

/// What is known of a track's sound so far.
struct AudioTrackStatus {
  std::vector<AudioSourceStatus> sources;
  AudioCodec codec = AudioCodec::Opus;
  AudioLevel level;           ///< as a meter shows it: the peak falls by 20 dB a second, the loudness is of 0.3 s
  double slowness_ppm = 0;    ///< of the newest source's clock
  std::uint64_t gaps = 0;     ///< times that a source's blocks did not follow each other
  std::uint64_t silence = 0;  ///< samples, where a source had none
  std::uint64_t late = 0;     ///< samples that came when their time had been given out as silence
  std::uint64_t lost = 0;     ///< blocks that nobody took in time
};

/// One track of a recording: its sources, mixed, cut to the times that are recorded, and encoded. The sample at stream
/// time t was heard when the picture at t was seen. One thread.
class AudioTrack {
 public:
  /// Packets' `track` will be `number`. Errors as open_audio_source() and AudioEncoder::open().
  [[nodiscard]] static Result<std::unique_ptr<AudioTrack>> open(const AudioOptions& options, unsigned track,
                                                                std::uint32_t number);
  AudioTrack(const AudioTrack&) = delete;
  AudioTrack& operator=(const AudioTrack&) = delete;
  ~AudioTrack();

  [[nodiscard]] const AudioStreamParameters& stream() const { return stream_; }

  using OnPacket = std::function<void(const Packet&)>;
  /// Takes what has come and gives what is ready. Before the clock's first span half a second is kept: the first
  /// picture is some moments old. Unpaced nothing is taken before, and sound goes as far as the pictures have come,
  /// however long that takes; `last`: no further picture comes. Internal: libavcodec or libswresample failed.
  [[nodiscard]] Result<void> turn(const StreamClock& clock, bool last, const OnPacket& on_packet);
  /// Whether everything of the span that has ended last is encoded.
  [[nodiscard]] bool caught_up(const StreamClock& clock) const;
  /// No more sound comes.
  [[nodiscard]] Result<void> drain(const OnPacket& on_packet);
  /// It has failed: nobody waits for its sources' sound to be taken.
  void close();
  /// False: none of its sources is called that.
  bool change(std::string_view source, const AudioChange& change);
  [[nodiscard]] AudioTrackStatus status() const;

 private:
  class Input;
  AudioTrack(const AudioOptions& options, std::uint32_t number, std::unique_ptr<AudioEncoder> encoder);

  [[nodiscard]] Result<void> turn_unpaced(const StreamClock& clock, bool last, const OnPacket& on_packet);
  void cut(const StreamClock& clock, std::int64_t position, std::span<const float> mixed);
  void measure(const AudioLevel& level);
  void keep(std::int64_t at, std::span<const float> samples);
  [[nodiscard]] Result<void> encode(bool all, const OnPacket& on_packet);
  [[nodiscard]] Result<void> receive(const OnPacket& on_packet);

  const std::uint64_t layout_;
  const std::size_t channels_;
  const std::uint32_t number_;
  std::unique_ptr<AudioEncoder> encoder_;
  AudioStreamParameters stream_;  ///< without the encoder's priming
  Nanoseconds start_;             ///< of the mixer
  AudioMixer mixer_;
  std::vector<std::unique_ptr<Input>> inputs_;
  AudioLevel meter_;
  std::vector<float> before_;     ///< mixed last, while the clock has no span yet
  std::int64_t before_from_ = 0;  ///< its position
  std::size_t span_ = 0;          ///< of the clock, being cut to
  std::int64_t written_ = 0;      ///< samples of the stream that were kept
  std::int64_t encoded_;          ///< position of the next sample for the encoder
  std::vector<float> kept_;       ///< from encoded_ on
};

}  // namespace zc
