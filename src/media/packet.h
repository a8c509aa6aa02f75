#pragma once

#include "base/clock.h"
#include "media/audio_codec.h"
#include "media/codec.h"
#include "media/colour.h"
#include "media/geometry.h"
#include "media/hdr.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct AVBufferRef;

namespace zc {

struct StreamParameters;

/// Ticks per second of every Packet timestamp: MPEG's 90 kHz, exact for 24, 25, 30, 50, 60 and 120 fps.
inline constexpr std::int64_t kPacketClock = 90'000;

[[nodiscard]] constexpr std::int64_t to_packet_clock(Nanoseconds time) {
  return (time.count() * 9 + 50'000) / 100'000;  // 90,000 / 1e9 = 9 / 100,000
}
[[nodiscard]] constexpr Nanoseconds from_packet_clock(std::int64_t ticks) { return Nanoseconds(ticks * 100'000 / 9); }

struct AvBufferUnref {
  void operator()(AVBufferRef* buffer) const noexcept;
};
using AvBufferPtr = std::unique_ptr<AVBufferRef, AvBufferUnref>;

/// When a picture was where, CLOCK_MONOTONIC; all zero: nobody knows, as of sound and of a picture that is repeated.
struct PacketTimes {
  Nanoseconds captured{};   ///< its producer's stamp
  Nanoseconds submitted{};  ///< handed to the encoder
  Nanoseconds encoded{};    ///< out of it
};

/// One coded picture, or a frame of sound. Copies share the same immutable bytes (libavutil reference counting), so
/// fanning a packet out to many sinks copies nothing.
class Packet {
 public:
  Packet() = default;
  /// `bytes` must lie inside `buffer`.
  Packet(AvBufferPtr buffer, std::span<const std::byte> bytes) noexcept;
  Packet(Packet&&) noexcept = default;
  Packet& operator=(Packet&&) noexcept = default;
  Packet(const Packet& other);
  Packet& operator=(const Packet& other);
  ~Packet() = default;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] AVBufferRef* buffer() const noexcept { return buffer_.get(); }

  std::int64_t pts = 0;       ///< kPacketClock ticks since the stream's first frame
  std::int64_t dts = 0;       ///< kPacketClock ticks; strictly rising; may start below zero with B-frames
  std::int64_t duration = 0;  ///< kPacketClock ticks; 0 = unknown
  PacketTimes times;
  bool keyframe = false;    ///< a decoder can start here; of pictures only
  std::uint32_t track = 0;  ///< 0: a picture; n: sound of StreamParameters::audio[n - 1]
  /// Of the first packet of another encoder or of another size: what the stream is from here on. Empty: what it was.
  std::shared_ptr<const StreamParameters> new_stream;

 private:
  AvBufferPtr buffer_;
  std::span<const std::byte> bytes_;
};

/// All a sink must know before the first packet.
struct StreamParameters {
  Codec codec = Codec::H264;
  Size size;                     ///< px, as coded
  Rational nominal_rate{60, 1};  ///< a hint; the timestamps tell the truth
  bool variable_rate = true;
  int profile = -1;  ///< libavcodec's number; -1 unknown
  int level = -1;
  unsigned bit_depth = 8;
  std::int64_t bit_rate = 0;  ///< bit/s; 0 unknown (constant quality)
  ColourDescription colour;
  HdrMetadata hdr;
  bool has_b_frames = false;
  std::vector<std::byte> extradata;  ///< parameter sets, as libavcodec makes them with AV_CODEC_FLAG_GLOBAL_HEADER
  std::vector<AudioStreamParameters> audio;  ///< tracks of sound beside the pictures
};

}  // namespace zc
