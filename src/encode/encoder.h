// One interface over every encoder.
#pragma once

#include "base/error.h"
#include "media/geometry.h"
#include "media/packet.h"
#include "media/surface.h"

#include <cstddef>
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
  /// A driver does its work, which may stall or never return.
  [[nodiscard]] virtual bool hardware() const = 0;
  /// Pictures that hardware keeps by design while more come: its pipeline, lookahead, B-frames.
  [[nodiscard]] virtual std::size_t most_held() const = 0;
  /// For the sinks; complete (with extradata) from the start. Another one once a setting was changed by opening it
  /// anew.
  [[nodiscard]] virtual const StreamParameters& stream() const = 0;

  /// Takes a surface; its stream_time becomes the pts and must rise. Busy: receive() first, then submit again (the
  /// surface is left as it was).
  [[nodiscard]] virtual Result<void> submit(const Surface& surface) = 0;
  /// The next packet, or nullopt when the encoder wants more input (or, after drain(), has given everything).
  [[nodiscard]] virtual Result<std::optional<Packet>> receive() = 0;
  /// The next submitted picture becomes a keyframe.
  virtual void request_keyframe() = 0;

  /// How a setting was changed.
  enum class Change : std::uint8_t {
    InPlace,
    /// The encoder was opened anew: the pictures inside come out of receive() first, none is missing, the next one is a
    /// keyframe, and stream() may have other parameter sets.
    Reopened,
  };
  /// Bit/s from the next picture on; the buffer keeps its length in time. `new_headers`: every output takes other
  /// parameter sets. Unsupported: it runs at constant quality, or would need others where they are not taken. Invalid:
  /// out of range. After these the encoder goes on as it was; after another error it has failed.
  [[nodiscard]] virtual Result<Change> set_bitrate(std::int64_t bits_per_second, bool new_headers) = 0;
  /// The pictures/s to expect from the next one on, by which bits are shared out. As set_bitrate().
  [[nodiscard]] virtual Result<Change> set_rate(Rational rate, bool new_headers) = 0;
  /// Pictures of this size from the next one on. Always by opening it anew, and whatever outputs can take: the
  /// parameter sets are others. Errors as set_bitrate().
  [[nodiscard]] virtual Result<Change> set_size(Size size) = 0;
  /// receive() then gives all that is inside, though no more input may come for a while. It is opened anew for that:
  /// the next picture is a keyframe. After an error it has failed.
  [[nodiscard]] virtual Result<void> flush() = 0;
  /// No more input; receive() then gives all that is left.
  [[nodiscard]] virtual Result<void> drain() = 0;
};

}  // namespace zc
