#include "encode/parameter_sets.h"

#include "media/nal_units.h"

namespace zc {
namespace {

constexpr unsigned kH264Sps = 7;
constexpr unsigned kHevcSps = 33;
constexpr unsigned kObuSequenceHeader = 1;

std::optional<ProfileLevel> from_h264(std::span<const std::byte> extradata) {
  std::optional<ProfileLevel> found;
  for_each_nal(extradata, [&](std::span<const std::byte> nal) {
    BitReader bits(nal, true);
    bits.skip(3);
    if (bits.read(5) != kH264Sps) return false;
    const auto profile = static_cast<int>(bits.read(8));
    bits.skip(8);  // constraint flags
    const auto level = static_cast<int>(bits.read(8));
    if (!bits.overrun()) found = ProfileLevel{profile, level};
    return true;
  });
  return found;
}

std::optional<ProfileLevel> from_hevc(std::span<const std::byte> extradata) {
  std::optional<ProfileLevel> found;
  for_each_nal(extradata, [&](std::span<const std::byte> nal) {
    BitReader bits(nal, true);
    bits.skip(1);
    if (bits.read(6) != kHevcSps) return false;
    bits.skip(9);          // layer and temporal id
    bits.skip(4 + 3 + 1);  // VPS id, sub-layers, nesting
    bits.skip(2 + 1);      // profile space, tier
    const auto profile = static_cast<int>(bits.read(5));
    bits.skip(32 + 48);  // compatibility and constraint flags
    const auto level = static_cast<int>(bits.read(8));
    if (!bits.overrun()) found = ProfileLevel{profile, level};
    return true;
  });
  return found;
}

std::optional<ProfileLevel> from_av1(std::span<const std::byte> extradata) {
  BitReader bits(extradata, false);
  bits.skip(1);
  if (bits.read(4) != kObuSequenceHeader) return std::nullopt;
  const bool extension = bits.read(1) != 0;
  const bool has_size = bits.read(1) != 0;
  bits.skip(1);
  if (extension) bits.skip(8);
  // leb128: the high bit says that another byte follows.
  if (has_size) {
    while (bits.read(1) != 0 && !bits.overrun()) bits.skip(7);
    bits.skip(7);
  }
  const auto profile = static_cast<int>(bits.read(3));
  bits.skip(1);             // still picture
  if (bits.read(1) != 0) {  // reduced still picture header
    const auto level = static_cast<int>(bits.read(5));
    return bits.overrun() ? std::nullopt : std::optional(ProfileLevel{profile, level});
  }
  if (bits.read(1) != 0) {  // timing info
    bits.skip(32 + 32);
    if (bits.read(1) != 0) {  // equal picture interval: uvlc
      unsigned zeros = 0;
      while (bits.read(1) == 0 && !bits.overrun() && zeros < 32) ++zeros;
      bits.skip(zeros);
    }
    if (bits.read(1) != 0) bits.skip(5 + 32 + 5 + 5);  // decoder model
  }
  bits.skip(1);       // initial display delay
  bits.skip(5 + 12);  // operating points, the first one's idc
  const auto level = static_cast<int>(bits.read(5));
  if (bits.overrun()) return std::nullopt;
  return ProfileLevel{profile, level};
}

bool nal_has_sps(Codec codec, std::span<const std::byte> picture) {
  bool found = false;
  for_each_nal(picture, [&](std::span<const std::byte> nal) {
    if (nal.empty()) return false;
    const auto head = std::to_integer<unsigned>(nal.front());
    const unsigned type = codec == Codec::H264 ? head & 31U : head >> 1U & 63U;
    found = type == (codec == Codec::H264 ? kH264Sps : kHevcSps);
    return found || is_slice(codec == Codec::H264, head);
  });
  return found;
}

/// AV1 specification 5.3: a header byte, maybe an extension byte, maybe a size in leb128.
bool obu_has_sequence_header(std::span<const std::byte> picture) {
  constexpr unsigned kTemporalDelimiter = 2;
  while (!picture.empty()) {
    const auto head = std::to_integer<unsigned>(picture.front());
    const unsigned type = head >> 3U & 15U;
    if (type == kObuSequenceHeader) return true;
    if (type != kTemporalDelimiter || (head & 2U) == 0) return false;
    // A temporal delimiter is empty: its size is one byte.
    const std::size_t length = 2 + (head >> 2U & 1U);
    if (picture.size() < length) return false;
    picture = picture.subspan(length);
  }
  return false;
}

}  // namespace

bool has_parameter_sets(Codec codec, std::span<const std::byte> picture) {
  return codec == Codec::AV1 ? obu_has_sequence_header(picture) : nal_has_sps(codec, picture);
}

std::optional<ProfileLevel> read_profile_level(Codec codec, std::span<const std::byte> extradata) {
  switch (codec) {
    case Codec::H264: return from_h264(extradata);
    case Codec::HEVC: return from_hevc(extradata);
    case Codec::AV1: return from_av1(extradata);
  }
  return std::nullopt;
}

}  // namespace zc
