// Coded pictures out of a file, a pipe or a network stream.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/codec.h"
#include "media/hdr.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

struct AVPacket;
struct AVStream;

namespace zc::verify {

/// Reads the first video stream and all sound. Every wait is bounded. One thread makes every call.
class MediaInput {
 public:
  /// Asked while something is waited for; true ends the wait.
  using Stopped = std::function<bool()>;

  /// `what`: a path, "-" for stdin, or srt://, udp://, tcp://HOST:PORT as outputs name them. `timeout`: the longest
  /// time without a byte. Only Matroska, MP4 and MPEG-TS are looked for, and nothing that they might name is opened.
  /// Invalid: what is there holds no such stream, or a codec other than ours. NotFound, Denied: of a file.
  /// Lost, Timeout: of a peer. Cancelled: `stopped`.
  [[nodiscard]] static Result<std::unique_ptr<MediaInput>> open(const std::string& what, Nanoseconds timeout,
                                                                Stopped stopped);
  ~MediaInput();
  MediaInput(const MediaInput&) = delete;
  MediaInput& operator=(const MediaInput&) = delete;

  /// The next packet, its times in kPacketClock ticks, which lives until the next call; nullptr at the end. Of sound it
  /// is where sound() says so.
  /// Errors: what is there cannot be read; reading can end here only.
  [[nodiscard]] Result<const AVPacket*> next();

  /// For messages: a path, "stdin", or scheme://host:port.
  [[nodiscard]] const std::string& name() const;
  /// Its times are those of the pictures being made: a network stream.
  [[nodiscard]] bool live() const;
  /// Nothing came for so long: how a peer that has no more to send looks like.
  [[nodiscard]] bool went_silent() const;
  [[nodiscard]] std::string container() const;  ///< libavformat's name

  /// The stream that the newest packet is of, where that is one of sound; nullptr: it is a picture.
  [[nodiscard]] const AVStream* sound() const;

  // Known from the first picture's packet on.
  [[nodiscard]] Codec codec() const;
  [[nodiscard]] std::span<const std::byte> extradata() const;
  /// What the container says, beside the stream itself.
  [[nodiscard]] HdrMetadata hdr() const;

 private:
  struct Impl;
  explicit MediaInput(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc::verify
