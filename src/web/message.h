// One packet on its way to viewers: docs/viewing.md.
#pragma once

#include "media/packet.h"
#include "output/packet_wire.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace zc::web {

enum class MessageKind : std::uint8_t { Packet = 1, Header = 2, Fragment = 3 };

/// Immutable and shared by all who get it.
struct Message {
  MessageKind kind = MessageKind::Packet;
  bool keyframe = false;
  std::uint16_t track = 0;
  std::int64_t pts = 0;  ///< kPacketClock ticks, as dts and duration
  std::int64_t dts = 0;
  std::int64_t duration = 0;
  PacketTimes times;
  std::vector<std::byte> bytes;
};
using MessagePtr = std::shared_ptr<const Message>;

/// A view of it.
[[nodiscard]] WirePacket wire_packet(const Message& message);

inline constexpr std::size_t kMessageHeadBytes = 48;
using MessageHead = std::array<std::byte, kMessageHeadBytes>;

/// What goes before the bytes. `sent`: CLOCK_MONOTONIC.
[[nodiscard]] MessageHead message_head(const Message& message, Nanoseconds sent);

}  // namespace zc::web
