// Packets as fragmented MP4 (ISO/IEC 14496-12 section 8.8), each one a fragment of its own, so that none waits for the
// next.
#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "output/packet_wire.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace zc::web {

class Fragmenter {
 public:
  /// Unsupported: libavformat cannot put the stream into MP4.
  [[nodiscard]] static Result<Fragmenter> create(const StreamParameters& stream);

  /// 'ftyp' and 'moov', which every taker needs first.
  [[nodiscard]] const std::vector<std::byte>& header() const { return header_; }
  /// RFC 6381, of the pictures: "avc1.42C020".
  [[nodiscard]] const std::string& codec() const { return codec_; }
  /// Likewise of all tracks, as Media Source and HLS want it: "avc1.42C020,opus".
  [[nodiscard]] std::string codecs() const;
  /// 'moof' and 'mdat'. `duration`, kPacketClock ticks, is said of it if the packet does not know its own.
  [[nodiscard]] std::vector<std::byte> fragment(const WirePacket& packet, std::int64_t duration);

 private:
  Fragmenter() = default;

  Codec video_ = Codec::H264;
  std::string codec_;
  std::vector<std::string> audio_;  ///< codecs of the tracks of sound
  std::vector<std::byte> header_;
  std::uint32_t sequence_ = 0;
};

/// Of sound, in both namings: "opus", "mp4a.40.2".
[[nodiscard]] std::string codec_string(AudioCodec codec);

}  // namespace zc::web
