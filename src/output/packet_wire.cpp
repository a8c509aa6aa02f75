#include "output/packet_wire.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <iterator>

namespace zc {
namespace {

using nlohmann::json;

constexpr std::string_view kOperation = "read packets";
constexpr std::size_t kPeerBytes = 5 * sizeof(std::uint64_t);

template <std::unsigned_integral Number>
std::byte* put(std::byte* to, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i) {
    *to++ = static_cast<std::byte>(std::uint64_t{number} >> (8 * i) & 0xffU);
  }
  return to;
}
std::byte* put(std::byte* to, std::int64_t number) { return put(to, static_cast<std::uint64_t>(number)); }

template <std::unsigned_integral Number>
Number get(const std::byte* from) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof number; ++i) {
    number = static_cast<Number>(number | static_cast<Number>(std::to_integer<Number>(from[i]) << (8 * i)));
  }
  return number;
}
std::int64_t get_signed(const std::byte* from) { return static_cast<std::int64_t>(get<std::uint64_t>(from)); }

std::string hex(const std::vector<std::byte>& bytes) {
  std::string text;
  for (const std::byte b : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", std::to_integer<unsigned>(b));
  return text;
}

std::vector<std::byte> bytes_of(const std::string& text) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    const char* end = text.data() + i + 2;
    if (std::from_chars(text.data() + i, end, value, 16).ptr != end) return {};
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

/// By the word that to_string() has for it.
template <class Value, class List>
Value value_of(const json& word, const List& all) {
  const std::string text = word.get<std::string>();
  for (const Value value : all) {
    if (to_string(value) == text) return value;
  }
  throw std::invalid_argument("'" + text + "' is unknown");
}

constexpr std::array kVideoCodecs{Codec::H264, Codec::HEVC, Codec::AV1};

}  // namespace

WirePacket wire_packet(const Packet& packet) {
  return {.keyframe = packet.keyframe,
          .track = static_cast<std::uint16_t>(packet.track),
          .pts = packet.pts,
          .dts = packet.dts,
          .duration = packet.duration,
          .times = packet.times,
          .bytes = packet.bytes()};
}

WireHead wire_head(const Packet& packet) {
  WireHead head{};
  std::byte* at = put(head.data(), static_cast<std::uint32_t>(kWirePacketBytes + packet.bytes().size()));
  at = put(at, static_cast<std::uint8_t>(WireKind::Packet));
  at = put(at, static_cast<std::uint8_t>(packet.keyframe ? 1 : 0));
  at = put(at, static_cast<std::uint16_t>(packet.track));
  for (const std::int64_t number : {packet.pts, packet.dts, packet.duration, packet.times.captured.count(),
                                    packet.times.submitted.count(), packet.times.encoded.count()}) {
    at = put(at, number);
  }
  return head;
}

std::string wire_stream(const StreamParameters& stream) {
  json text = {{"codec", to_string(stream.codec)},
               {"width", stream.size.width},
               {"height", stream.size.height},
               {"rate", {stream.nominal_rate.num, stream.nominal_rate.den}},
               {"profile", stream.profile},
               {"level", stream.level},
               {"bit_depth", stream.bit_depth},
               {"matrix", static_cast<int>(stream.colour.matrix)},
               {"range", static_cast<int>(stream.colour.range)},
               {"primaries", static_cast<int>(stream.colour.primaries)},
               {"transfer", static_cast<int>(stream.colour.transfer)},
               {"headers", hex(stream.extradata)},
               {"audio", json::array()}};
  for (const AudioStreamParameters& track : stream.audio) {
    text["audio"].push_back({{"codec", to_string(track.codec)},
                             {"layout", track.layout},
                             {"bit_depth", track.bit_depth},
                             {"frame_samples", track.frame_samples},
                             {"priming", track.priming},
                             {"headers", hex(track.extradata)},
                             {"title", track.title}});
  }
  const std::string body = text.dump(-1, ' ', false, json::error_handler_t::replace);
  std::array<std::byte, kWirePrefixBytes> prefix{};
  put(put(prefix.data(), static_cast<std::uint32_t>(body.size())), static_cast<std::uint8_t>(WireKind::Stream));
  return std::string(reinterpret_cast<const char*>(prefix.data()), prefix.size()) + body;
}

std::vector<std::byte> wire_congestion(std::span<const Congestion> peers) {
  peers = peers.first(std::min(peers.size(), kMostWirePeers));
  std::vector<std::byte> bytes(2 + peers.size() * kPeerBytes);
  std::byte* at = bytes.data();
  *at++ = kWireCongestion;
  at = put(at, static_cast<std::uint8_t>(peers.size()));
  for (const Congestion& one : peers) {
    for (const std::uint64_t number :
         {one.peer, static_cast<std::uint64_t>(one.waiting.count()), one.unsent, one.delivered, one.late}) {
      at = put(at, number);
    }
  }
  return bytes;
}

std::array<std::byte, 5> wire_gap(std::chrono::milliseconds gap) {
  std::array<std::byte, 5> bytes{kWireGap};
  put(bytes.data() + 1, static_cast<std::uint32_t>(gap.count()));
  return bytes;
}

WireReturn read_wire_return(std::vector<std::byte>& bytes) {
  WireReturn all;
  std::size_t used = 0;
  while (used < bytes.size()) {
    if (bytes[used] == kWireKeyframeWish) {
      all.keyframe_wished = true;
      ++used;
      continue;
    }
    if (bytes[used] == kWireGap) {
      if (bytes.size() - used < 5) break;
      all.gap = std::chrono::milliseconds(get<std::uint32_t>(bytes.data() + used + 1));
      used += 5;
      continue;
    }
    if (bytes[used] != kWireCongestion) {
      used = bytes.size();
      break;
    }
    if (bytes.size() - used < 2) break;
    const auto count = std::to_integer<std::size_t>(bytes[used + 1]);
    if (bytes.size() - used < 2 + count * kPeerBytes) break;
    all.peers.emplace();
    for (std::size_t i = 0; i < count; ++i) {
      const std::byte* at = bytes.data() + used + 2 + i * kPeerBytes;
      const auto number = [at](std::size_t n) { return get<std::uint64_t>(at + 8 * n); };
      all.peers->push_back({.peer = number(0),
                            .waiting = Nanoseconds(static_cast<std::int64_t>(number(1))),
                            .unsent = number(2),
                            .delivered = number(3),
                            .late = number(4)});
    }
    used += 2 + count * kPeerBytes;
  }
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
  return all;
}

Result<WirePrefix> read_wire_prefix(std::span<const std::byte, kWirePrefixBytes> bytes) {
  const WirePrefix prefix{.length = get<std::uint32_t>(bytes.data()), .kind = static_cast<WireKind>(bytes[4])};
  const bool known = prefix.kind == WireKind::Stream || prefix.kind == WireKind::Packet;
  if (known && prefix.length <= kMostWireBytes) return prefix;
  return fail(ErrorKind::Invalid, std::string(kOperation), "this is no message of packets");
}

Result<WirePacket> read_wire_packet(std::span<const std::byte> body) {
  if (body.size() < kWirePacketBytes) return fail(ErrorKind::Invalid, std::string(kOperation), "a packet is too short");
  const std::byte* numbers = body.data() + 3;
  const auto number = [&](std::size_t i) { return get_signed(numbers + 8 * i); };
  return WirePacket{.keyframe = (body[0] & std::byte{1}) != std::byte{},
                    .track = get<std::uint16_t>(body.data() + 1),
                    .pts = number(0),
                    .dts = number(1),
                    .duration = number(2),
                    .times = {.captured = Nanoseconds(number(3)),
                              .submitted = Nanoseconds(number(4)),
                              .encoded = Nanoseconds(number(5))},
                    .bytes = body.subspan(kWirePacketBytes)};
}

Result<StreamParameters> read_wire_stream(std::string_view body) {
  try {
    const json text = json::parse(body);
    StreamParameters stream;
    stream.codec = value_of<Codec>(text.at("codec"), kVideoCodecs);
    stream.size = {text.at("width"), text.at("height")};
    stream.nominal_rate = {text.at("rate").at(0), text.at("rate").at(1)};
    stream.profile = text.at("profile");
    stream.level = text.at("level");
    stream.bit_depth = text.at("bit_depth");
    stream.colour = {static_cast<ColourMatrix>(text.at("matrix").get<std::uint8_t>()),
                     static_cast<ColourRange>(text.at("range").get<std::uint8_t>()),
                     static_cast<ColourPrimaries>(text.at("primaries").get<std::uint8_t>()),
                     static_cast<TransferFunction>(text.at("transfer").get<std::uint8_t>())};
    stream.extradata = bytes_of(text.at("headers"));
    for (const json& one : text.at("audio")) {
      AudioStreamParameters track;
      track.codec = value_of<AudioCodec>(one.at("codec"), kAudioCodecs);
      track.layout = one.at("layout");
      track.bit_depth = one.at("bit_depth");
      track.frame_samples = one.at("frame_samples");
      track.priming = one.at("priming");
      track.extradata = bytes_of(one.at("headers"));
      track.title = one.at("title");
      stream.audio.push_back(std::move(track));
    }
    return stream;
  } catch (const std::exception& error) {
    return fail(ErrorKind::Invalid, std::string(kOperation), error.what());
  }
}

}  // namespace zc
