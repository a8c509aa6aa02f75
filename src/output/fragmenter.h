// Packets as fragmented MP4 (ISO/IEC 14496-12 section 8.8), as few to a fragment as one likes: libavformat's muxer
// writes a fragment only when the next packet is there.
#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "output/packet_wire.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace zc {

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
  /// 'moof' and 'mdat' of these, which are in order within each track. A packet lasts until the next one of its track;
  /// the last one as long as it says itself or, if it does not, `duration` (kPacketClock ticks).
  [[nodiscard]] std::vector<std::byte> fragment(std::span<const WirePacket> packets, std::int64_t duration);

 private:
  struct Sample {
    const WirePacket* packet;
    std::int64_t duration;  ///< kPacketClock ticks
    std::size_t size_at;    ///< where in the fragment its size stands
  };
  Fragmenter() = default;
  /// 'traf' of one track; returns where its data's offset stands.
  std::size_t put_track(std::vector<std::byte>& out, std::vector<Sample>& samples) const;
  void put_data(std::vector<std::byte>& out, const WirePacket& packet) const;

  Codec video_ = Codec::H264;
  std::string codec_;
  std::vector<std::string> audio_;  ///< codecs of the tracks of sound
  std::vector<std::byte> header_;
  std::uint32_t sequence_ = 0;
};

/// Of sound, in both namings: "opus", "mp4a.40.2".
[[nodiscard]] std::string codec_string(AudioCodec codec);

}  // namespace zc
