// Decodes files, URLs and packets with libavcodec's software decoders, for tests and tools.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/colour.h"
#include "media/geometry.h"
#include "media/packet.h"
#include "media/test_mark.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace zc::test {

struct DecodedPlane {
  const std::byte* data = nullptr;
  std::size_t stride_bytes = 0;
  Size size;  ///< samples
};

/// Points into the decoder; valid until its next call.
struct DecodedFrame {
  std::int64_t pts = 0;  ///< kPacketClock ticks
  bool keyframe = false;
  Size size;  ///< px
  unsigned bit_depth = 8;
  unsigned bytes_per_sample = 1;
  std::array<DecodedPlane, 3> planes;  ///< Y, U, V
  ColourDescription colour;            ///< as the bitstream says

  /// The mark in the luma; `painted` as in zc::read_mark().
  [[nodiscard]] std::optional<TestMark> mark(Size painted) const;
};

struct MediaInfo {
  std::string container;  ///< libavformat's name; empty for bare packets
  std::string codec;      ///< "h264", "hevc", "av1", or libavcodec's name of another one
  Size size;              ///< px, by the header
  int profile = -1;       ///< once a frame has been decoded
  int level = -1;
};

class Decoder {
 public:
  /// The first video stream of a file or URL; a live input is read until it ends.
  [[nodiscard]] static Result<Decoder> open(const std::string& url);
  /// Packets in decoding order, which must outlive the decoder.
  [[nodiscard]] static Result<Decoder> open(const StreamParameters& stream, std::span<const Packet> packets);

  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder();

  /// The next picture in display order; nullopt at the end. A damaged picture is skipped and counted.
  [[nodiscard]] Result<std::optional<DecodedFrame>> next();
  [[nodiscard]] MediaInfo info() const;
  [[nodiscard]] std::uint64_t decode_errors() const;

 private:
  struct Impl;
  explicit Decoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Peak signal-to-noise ratio of one plane in dB, infinite when equal. The planes have one size and sample width.
[[nodiscard]] double psnr(const DecodedPlane& a, const DecodedPlane& b, unsigned bit_depth);

}  // namespace zc::test
