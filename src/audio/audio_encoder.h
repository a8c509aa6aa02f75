// Sound to packets.
#pragma once

#include "base/error.h"
#include "media/audio_codec.h"
#include "media/packet.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

struct AVCodecContext;
struct AVFrame;
struct AVPacket;

namespace zc {

struct AudioEncoderOptions {
  AudioCodec codec = AudioCodec::Opus;
  std::uint64_t layout = kStereo;
  std::int64_t bit_rate = 0;  ///< bit/s; 0: what suits the codec and the channels
  std::string title = {};     ///< of the track
};

/// One track's encoder, by libavcodec. FLAC and PCM have 24 bits. One thread makes every call.
class AudioEncoder {
 public:
  /// Unsupported: this FFmpeg has no such encoder, or it does not take the channels or the bit rate.
  [[nodiscard]] static Result<std::unique_ptr<AudioEncoder>> open(const AudioEncoderOptions& options);
  AudioEncoder(const AudioEncoder&) = delete;
  AudioEncoder& operator=(const AudioEncoder&) = delete;
  ~AudioEncoder() = default;

  [[nodiscard]] const AudioStreamParameters& stream() const { return stream_; }
  /// Interleaved samples, frame_samples of them, whose first is at that position (samples at kAudioRate since the
  /// recording's beginning). Positions rise; the last frame may be shorter, and is filled up with silence. Internal:
  /// libavcodec failed.
  [[nodiscard]] Result<void> submit(std::int64_t position, std::span<const float> samples);
  /// The next packet, or nullopt when it wants more (or, after drain(), has given everything).
  [[nodiscard]] Result<std::optional<Packet>> receive();
  [[nodiscard]] Result<void> drain();

 private:
  struct Free {
    void operator()(AVCodecContext* context) const noexcept;
    void operator()(AVFrame* frame) const noexcept;
    void operator()(AVPacket* packet) const noexcept;
  };

  AudioEncoder() = default;
  [[nodiscard]] Result<void> prepare(const AudioEncoderOptions& options);

  std::unique_ptr<AVCodecContext, Free> context_;
  std::unique_ptr<AVFrame, Free> frame_;
  std::unique_ptr<AVPacket, Free> coded_;
  AudioStreamParameters stream_;
  std::vector<float> filled_;
};

}  // namespace zc
