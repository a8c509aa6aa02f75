// What goes into libavformat's muxers: our parameters and packets in its words.
#pragma once

#include "media/packet.h"

#include <cstdint>

struct AVFormatContext;
struct AVPacket;
struct AVStream;

namespace zc {

/// Fills the stream's codec parameters; false when out of memory.
[[nodiscard]] bool describe(const StreamParameters& parameters, AVStream& stream);
[[nodiscard]] bool describe(const AudioStreamParameters& track, AVStream& stream);

/// Hands the packet to the muxer, not interleaved. `packet` is empty before and after; `duration` in kPacketClock
/// ticks. An AVERROR, or 0 or more.
[[nodiscard]] int write_frame(AVFormatContext& format, AVPacket& packet, const AVStream& stream, const Packet& coded,
                              std::int64_t duration);

}  // namespace zc
