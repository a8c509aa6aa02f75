#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/frame.h"
#include "media/geometry.h"

extern "C" {
#include <libavcodec/codec_id.h>
#include <libavutil/rational.h>
}

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

struct AVCodecParameters;
struct AVPacket;

namespace zc {

/// One stream of a file on this machine, of whatever container libavformat reads: its best video, or the sound beside
/// that. Nothing that the file might name is opened. One thread makes every call.
class MediaFile {
 public:
  /// Sound: the stream that the file marks as its default, else the first.
  enum class Kind : std::uint8_t { Pictures, Sound };
  /// What is known of the stream before anything is decoded.
  struct Stream {
    AVCodecID codec = AV_CODEC_ID_NONE;
    std::string codec_name;                   ///< libavcodec's
    Size size;                                ///< px, as coded; empty: not known yet
    Rational rate;                            ///< pictures/s on the average; zero: not known
    Transform transform = Transform::Normal;  ///< to be undone: a phone held upright
    std::optional<Nanoseconds> duration;
  };

  /// `stopped` is asked while bytes are waited for; true ends the wait with Cancelled.
  /// NotFound, Denied: of the file. Invalid: no regular file, no container that libavformat knows, no video in it.
  /// Unsupported: it has no sound.
  [[nodiscard]] static Result<std::unique_ptr<MediaFile>> open(const std::string& path,
                                                               std::function<bool()> stopped = {},
                                                               Kind kind = Kind::Pictures);
  ~MediaFile();
  MediaFile(const MediaFile&) = delete;
  MediaFile& operator=(const MediaFile&) = delete;

  [[nodiscard]] const Stream& stream() const;
  /// What the container says to a decoder; lives as long as this.
  [[nodiscard]] const AVCodecParameters& parameters() const;
  /// What packets' stamps are counted in: seconds.
  [[nodiscard]] AVRational time_base() const;

  /// The next packet of the stream, which lives until the next call; nullptr at the end. Lost: the rest cannot be read.
  [[nodiscard]] Result<const AVPacket*> next();
  /// A packet's or a picture's time since the file's first picture; nullopt: it has none.
  [[nodiscard]] std::optional<Nanoseconds> time(std::int64_t stamp) const;
  /// The time between two stamps.
  [[nodiscard]] Nanoseconds length(std::int64_t ticks) const;
  /// next() goes on at the keyframe of the video at `to` or before. Unsupported: the container cannot.
  [[nodiscard]] Result<void> seek(Nanoseconds to);

 private:
  struct Impl;
  explicit MediaFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc
