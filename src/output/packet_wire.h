// How packets go to another program on this machine, over a Unix stream socket: no container, and with the times at
// which each picture was where.
#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "output/congestion.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// Every message: the length of what follows the kind (u32), the kind (u8), then by kind. All numbers are
/// little-endian.
enum class WireKind : std::uint8_t {
  Stream = 1,  ///< JSON: StreamParameters; first, and before the first packet that has other ones
  Packet = 2,  ///< WirePacket's numbers, then the coded bytes
};
/// What the taker sends back. Each begins with its kind.
inline constexpr std::byte kWireKeyframeWish{'K'};  ///< nothing else: it can go on only with a keyframe
inline constexpr std::byte kWireGap{'G'};  ///< u32, ms: how far apart pictures may be for its takers; 0: as they like
inline constexpr std::byte kWireCongestion{'C'};  ///< how those keep up that it hands packets on to: wire_congestion()
inline constexpr std::size_t kMostWirePeers = 64;

struct WirePacket {
  bool keyframe = false;
  std::uint16_t track = 0;
  std::int64_t pts = 0;  ///< kPacketClock ticks, as dts and duration
  std::int64_t dts = 0;
  std::int64_t duration = 0;
  PacketTimes times;
  std::span<const std::byte> bytes;
};

inline constexpr std::size_t kWirePrefixBytes = 5;                     ///< length and kind
inline constexpr std::size_t kWirePacketBytes = 1 + 2 + 6 * 8;         ///< before the coded bytes
inline constexpr std::size_t kMostWireBytes = std::size_t{64} << 20U;  ///< of one message

/// A view of it.
[[nodiscard]] WirePacket wire_packet(const Packet& packet);

using WireHead = std::array<std::byte, kWirePrefixBytes + kWirePacketBytes>;

/// What goes before the packet's bytes.
[[nodiscard]] WireHead wire_head(const Packet& packet);
/// A whole message.
[[nodiscard]] std::string wire_stream(const StreamParameters& stream);

/// All peers' states, of kMostWirePeers at most; instead of what was told before.
[[nodiscard]] std::vector<std::byte> wire_congestion(std::span<const Congestion> peers);

[[nodiscard]] std::array<std::byte, 5> wire_gap(std::chrono::milliseconds gap);

/// What the taker has sent back so far.
struct WireReturn {
  bool keyframe_wished = false;
  std::optional<std::chrono::milliseconds> gap;  ///< nullopt: nothing new
  std::optional<std::vector<Congestion>> peers;  ///< likewise
};
/// Takes what is complete off the front of `bytes`; what is no message ends all of them.
[[nodiscard]] WireReturn read_wire_return(std::vector<std::byte>& bytes);

struct WirePrefix {
  std::size_t length = 0;  ///< of what follows the prefix
  WireKind kind = WireKind::Stream;
};
/// Invalid: too long, or of no known kind. Take any bytes, as the next two.
[[nodiscard]] Result<WirePrefix> read_wire_prefix(std::span<const std::byte, kWirePrefixBytes> bytes);
[[nodiscard]] Result<WirePacket> read_wire_packet(std::span<const std::byte> body);
[[nodiscard]] Result<StreamParameters> read_wire_stream(std::string_view body);

}  // namespace zc
