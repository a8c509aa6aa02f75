// One interface over every encoder.
#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "media/surface.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace zc {

/// Knows no sockets, clocks or files. One thread makes every call.
class Encoder {
 public:
  virtual ~Encoder() = default;
  Encoder() = default;
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  /// libavcodec's name: "libx264".
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// What submit() must be fed.
  [[nodiscard]] virtual const SurfaceFormat& input() const = 0;
  /// For the sinks; complete (with extradata) from the start.
  [[nodiscard]] virtual const StreamParameters& stream() const = 0;

  /// Takes a surface; its stream_time becomes the pts and must rise. Busy: receive() first, then submit again (the
  /// surface is left as it was).
  [[nodiscard]] virtual Result<void> submit(const Surface& surface) = 0;
  /// The next packet, or nullopt when the encoder wants more input (or, after drain(), has given everything).
  [[nodiscard]] virtual Result<std::optional<Packet>> receive() = 0;
  /// The next submitted picture becomes a keyframe.
  virtual void request_keyframe() = 0;
  /// Bit/s from the next picture on. Unsupported where the encoder cannot change it while running.
  [[nodiscard]] virtual Result<void> set_bitrate(std::int64_t bits_per_second) = 0;
  /// No more input; receive() then gives all that is left.
  [[nodiscard]] virtual Result<void> drain() = 0;
};

}  // namespace zc
