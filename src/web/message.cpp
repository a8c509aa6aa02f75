#include "web/message.h"

namespace zc::web {
namespace {

std::byte* put(std::byte* to, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) *to++ = static_cast<std::byte>((number >> (8 * i)) & 0xffU);
  return to;
}

std::uint64_t microseconds(Nanoseconds time) { return static_cast<std::uint64_t>(time.count() / 1000); }

}  // namespace

WirePacket wire_packet(const Message& message) {
  return {.keyframe = message.keyframe,
          .track = message.track,
          .pts = message.pts,
          .dts = message.dts,
          .duration = message.duration,
          .times = message.times,
          .bytes = message.bytes};
}

MessageHead message_head(const Message& message, Nanoseconds sent) {
  MessageHead head{};
  std::byte* at = put(head.data(), static_cast<std::uint8_t>(message.kind), 1);
  at = put(at, message.keyframe ? 1 : 0, 1);
  at = put(at, message.track, 2);
  at = put(at, 0, 4);
  at = put(at, microseconds(from_packet_clock(message.pts)), 8);
  at = put(at, microseconds(message.times.captured), 8);
  at = put(at, microseconds(message.times.submitted), 8);
  at = put(at, microseconds(message.times.encoded), 8);
  put(at, microseconds(sent), 8);
  return head;
}

}  // namespace zc::web
