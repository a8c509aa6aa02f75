#include "encode/reordering.h"

#include "encode/levels.h"
#include "media/nal_units.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace zc {
namespace {

using Bytes = std::vector<std::byte>;
using Bits = std::vector<bool>;

constexpr std::uint32_t kMostLayers = 7;

/// Bits [from, to) of a parameter set, and what is to be in their place.
struct Edit {
  std::size_t from;
  std::size_t to;
  Bits bits;
};
struct ParameterSet {
  Reordering reordering;
  std::vector<Edit> edits;  ///< that make it say "none", first ones first
};

void put(Bits& bits, std::uint32_t value, unsigned count) {
  while (count-- > 0) bits.push_back((value >> count & 1U) != 0);
}
/// Exp-Golomb (H.264 9.1).
void put_ue(Bits& bits, std::uint32_t value) {
  unsigned length = 0;
  while ((std::uint64_t{value} + 1) >> (length + 1) != 0) ++length;
  put(bits, 0, length);
  put(bits, value + 1, length + 1);
}

// ---- H.264

/// 7.3.2.1.1.1
void skip_scaling_list(BitReader& bits, unsigned size) {
  std::int32_t last = 8;
  std::int32_t next = 8;
  for (unsigned i = 0; i < size && !bits.overrun(); ++i) {
    if (next != 0) {
      const std::uint32_t code = bits.read_ue();
      const auto half = static_cast<std::int32_t>(code / 2 + code % 2);
      next = (last + (code % 2 == 0 ? -half : half) + 256) % 256;
    }
    if (next != 0) last = next;
  }
}

/// E.1.2
void skip_hrd(BitReader& bits) {
  const std::uint32_t count = std::min(bits.read_ue(), 31U) + 1;
  bits.skip(4 + 4);
  for (std::uint32_t i = 0; i < count; ++i) {
    bits.skip_ue(2);
    bits.skip(1);
  }
  bits.skip(4 * 5);
}

/// E.1.1, up to the flag of the bitstream's restrictions.
void skip_usability(BitReader& bits) {
  constexpr std::uint32_t kExtendedRatio = 255;
  if (bits.read(1) != 0 && bits.read(8) == kExtendedRatio) bits.skip(16 + 16);
  if (bits.read(1) != 0) bits.skip(1);  // overscan
  if (bits.read(1) != 0) {              // the signal's type
    bits.skip(3 + 1);
    if (bits.read(1) != 0) bits.skip(3 * 8);
  }
  if (bits.read(1) != 0) bits.skip_ue(2);         // where chroma is sited
  if (bits.read(1) != 0) bits.skip(32 + 32 + 1);  // timing
  const bool nal_hrd = bits.read(1) != 0;
  if (nal_hrd) skip_hrd(bits);
  const bool vcl_hrd = bits.read(1) != 0;
  if (vcl_hrd) skip_hrd(bits);
  if (nal_hrd || vcl_hrd) bits.skip(1);
  bits.skip(1);  // pic_struct
}

/// The restrictions, none but those of the order; E.2.1 infers as much where they are absent.
void put_restrictions(Bits& bits, std::uint32_t references) {
  put(bits, 1, 1);  // they are there
  put(bits, 1, 1);  // vectors may lead out of the picture
  put_ue(bits, 0);
  put_ue(bits, 0);
  put_ue(bits, 15);
  put_ue(bits, 15);
  put_ue(bits, 0);
  put_ue(bits, references);
}

/// ITU-T H.264 7.3.2.1.1. `unit`: without emulation prevention.
std::optional<ParameterSet> read_h264(std::span<const std::byte> unit) {
  constexpr std::array kChromaProfiles{100U, 110U, 122U, 244U, 44U, 83U, 86U, 118U, 128U, 138U, 139U, 134U, 135U};
  constexpr std::array kIntraProfiles{44U, 86U, 100U, 110U, 122U, 244U};
  constexpr std::uint32_t kThirdConstraint = 0x10;
  BitReader bits(unit, false);
  bits.skip(8);
  const std::uint32_t profile = bits.read(8);
  const std::uint32_t constraints = bits.read(8);
  const std::uint32_t level = bits.read(8);
  bits.skip_ue();
  if (std::ranges::find(kChromaProfiles, profile) != kChromaProfiles.end()) {
    const std::uint32_t chroma = bits.read_ue();
    if (chroma == 3) bits.skip(1);
    bits.skip_ue(2);
    bits.skip(1);
    if (bits.read(1) != 0) {
      for (unsigned i = 0; i < (chroma == 3 ? 12U : 8U); ++i) {
        if (bits.read(1) != 0) skip_scaling_list(bits, i < 6 ? 16 : 64);
      }
    }
  }
  bits.skip_ue();
  const std::uint32_t order = bits.read_ue();
  if (order == 0) bits.skip_ue();
  if (order == 1) {
    bits.skip(1);
    bits.skip_ue(2);
    bits.skip_ue(std::min(bits.read_ue(), 255U));
  }
  const std::uint32_t references = bits.read_ue();
  bits.skip(1);
  const std::uint64_t columns = std::uint64_t{bits.read_ue()} + 1;
  const std::uint64_t units = std::uint64_t{bits.read_ue()} + 1;
  const bool frames = bits.read(1) != 0;
  if (!frames) bits.skip(1);
  bits.skip(1);
  if (bits.read(1) != 0) bits.skip_ue(4);
  if (bits.overrun() || columns > 4096 || units > 4096) return std::nullopt;

  constexpr unsigned kMostPictures = 16;
  ParameterSet set;
  // Level 1b is 1.1 with a constraint; it makes no difference to pictures of today's sizes.
  const auto limits = level_limits(Codec::H264, static_cast<int>(level));
  const std::uint64_t samples = columns * units * (frames ? 1 : 2) * 256;
  const bool intra =
      (constraints & kThirdConstraint) != 0 && std::ranges::find(kIntraProfiles, profile) != kIntraProfiles.end();
  set.reordering.expected =
      intra    ? 0
      : limits ? static_cast<unsigned>(std::min<std::uint64_t>(limits->buffer / samples, kMostPictures))
               : kMostPictures;

  const std::size_t usability = bits.position();
  Edit edit{usability, usability + 1, {}};
  if (bits.read(1) == 0) {
    if (bits.overrun()) return std::nullopt;
    put(edit.bits, 1, 1);
    put(edit.bits, 0, 8);  // what skip_usability() reads
    put_restrictions(edit.bits, references);
    set.edits.push_back(std::move(edit));
    return set;
  }
  skip_usability(bits);
  edit = {bits.position(), bits.position() + 1, {}};
  const bool restricted = bits.read(1) != 0;
  if (restricted) {
    bits.skip(1);
    bits.skip_ue(4);
    edit.from = bits.position();
    set.reordering.pictures = bits.read_ue();
    edit.to = bits.position();
    bits.skip_ue();
    set.reordering.expected = *set.reordering.pictures;
    put_ue(edit.bits, 0);
  } else {
    put_restrictions(edit.bits, references);
  }
  if (bits.overrun()) return std::nullopt;
  if (set.reordering.pictures != 0U) set.edits.push_back(std::move(edit));
  return set;
}

// ---- HEVC

/// ITU-T H.265 7.3.2.2.1, up to what is said of the order. `unit`: without emulation prevention.
std::optional<ParameterSet> read_hevc(std::span<const std::byte> unit) {
  BitReader bits(unit, false);
  bits.skip(16 + 4);
  const std::uint32_t layers = bits.read(3);  // less one
  bits.skip(1 + 88 + 8);
  std::array<bool, 2 * kMostLayers> present{};
  if (layers > kMostLayers - 1) return std::nullopt;
  for (std::uint32_t i = 0; i < layers + layers; ++i) present.at(i) = bits.read(1) != 0;
  if (layers > 0) bits.skip(2 * (8 - layers));
  for (std::uint32_t i = 0; i < layers; ++i) {
    if (present.at(std::size_t{2} * i)) bits.skip(88);
    if (present.at(std::size_t{2} * i + 1)) bits.skip(8);
  }
  bits.skip_ue();
  if (bits.read_ue() == 3) bits.skip(1);
  bits.skip_ue(2);
  if (bits.read(1) != 0) bits.skip_ue(4);
  bits.skip_ue(3);
  const bool each = bits.read(1) != 0;
  ParameterSet set;
  for (std::uint32_t layer = each ? 0 : layers; layer <= layers; ++layer) {
    bits.skip_ue();
    Edit edit{bits.position(), 0, {}};
    set.reordering.pictures = bits.read_ue();
    edit.to = bits.position();
    bits.skip_ue();
    put_ue(edit.bits, 0);
    if (*set.reordering.pictures != 0) set.edits.push_back(std::move(edit));
  }
  if (bits.overrun()) return std::nullopt;
  set.reordering.expected = *set.reordering.pictures;
  return set;
}

// ---- Both

constexpr unsigned kH264Sps = 7;
constexpr unsigned kHevcSps = 33;

bool is_parameter_set(Codec codec, std::span<const std::byte> unit) {
  if (unit.empty()) return false;
  const auto head = std::to_integer<unsigned>(unit.front());
  return codec == Codec::H264 ? (head & 31U) == kH264Sps : (head >> 1U & 63U) == kHevcSps;
}

Bytes unescaped(std::span<const std::byte> unit) {
  Bytes bytes;
  bytes.reserve(unit.size());
  unsigned zeros = 0;
  for (const std::byte byte : unit) {
    if (zeros >= 2 && byte == std::byte{3}) {
      zeros = 0;
      continue;
    }
    zeros = byte == std::byte{0} ? zeros + 1 : 0;
    bytes.push_back(byte);
  }
  return bytes;
}

std::optional<ParameterSet> read_set(Codec codec, std::span<const std::byte> unit) {
  const Bytes plain = unescaped(unit);
  return codec == Codec::H264 ? read_h264(plain) : read_hevc(plain);
}

/// The parameter set as bytes for a stream, with emulation prevention (H.264 7.4.1).
Bytes edited(std::span<const std::byte> unit, const std::vector<Edit>& edits) {
  const Bytes plain = unescaped(unit);
  Bits bits;
  std::size_t at = 0;
  const auto copy = [&](std::size_t to) {
    for (; at < to; ++at) bits.push_back((std::to_integer<unsigned>(plain[at / 8]) >> (7 - at % 8) & 1U) != 0);
  };
  for (const Edit& edit : edits) {
    copy(edit.from);
    bits.insert(bits.end(), edit.bits.begin(), edit.bits.end());
    at = edit.to;
  }
  copy(plain.size() * 8);
  while (!bits.empty() && !bits.back()) bits.pop_back();  // up to the bit that ends it
  bits.resize((bits.size() + 7) / 8 * 8);
  Bytes bytes;
  unsigned zeros = 0;
  for (std::size_t i = 0; i < bits.size(); i += 8) {
    unsigned byte = 0;
    for (std::size_t j = 0; j < 8; ++j) byte = byte << 1U | (bits[i + j] ? 1U : 0U);
    if (zeros >= 2 && byte <= 3) {
      bytes.push_back(std::byte{3});
      zeros = 0;
    }
    zeros = byte == 0 ? zeros + 1 : 0;
    bytes.push_back(static_cast<std::byte>(byte));
  }
  return bytes;
}

/// The first parameter set in 'avcC' or 'hvcC' (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1); empty: none.
std::span<const std::byte> in_box(Codec codec, std::span<const std::byte> box) {
  const auto at = [&](std::size_t i) { return i < box.size() ? std::to_integer<std::size_t>(box[i]) : 0; };
  const auto unit = [&](std::size_t from) -> std::span<const std::byte> {
    const std::size_t length = at(from) << 8U | at(from + 1);
    return from + 2 + length > box.size() ? std::span<const std::byte>() : box.subspan(from + 2, length);
  };
  if (codec == Codec::H264) return (at(5) & 31U) == 0 ? std::span<const std::byte>() : unit(6);
  std::size_t place = 23;
  for (std::size_t arrays = at(22); arrays > 0 && place < box.size(); --arrays) {
    const bool wanted = (at(place) & 63U) == kHevcSps;
    std::size_t units = at(place + 1) << 8U | at(place + 2);
    place += 3;
    if (wanted && units > 0) return unit(place);
    for (; units > 0 && place < box.size(); --units) place += 2 + (at(place) << 8U | at(place + 1));
  }
  return {};
}

}  // namespace

std::optional<Reordering> read_reordering(Codec codec, std::span<const std::byte> headers) {
  if (codec == Codec::AV1) return std::nullopt;
  std::optional<Reordering> found;
  const auto look = [&](std::span<const std::byte> unit) {
    if (!is_parameter_set(codec, unit)) return false;
    if (const auto set = read_set(codec, unit)) found = set->reordering;
    return true;
  };
  if (!headers.empty() && headers.front() == std::byte{1}) {
    static_cast<void>(look(in_box(codec, headers)));
  } else {
    for_each_nal(headers, look);
  }
  return found;
}

std::optional<Bytes> without_reordering(Codec codec, std::span<const std::byte> stream) {
  if (codec == Codec::AV1) return std::nullopt;
  Bytes changed;
  std::size_t copied = 0;
  for_each_nal(stream, [&](std::span<const std::byte> rest) {
    if (!is_parameter_set(codec, rest)) return is_slice(codec == Codec::H264, std::to_integer<unsigned>(rest.front()));
    const std::span<const std::byte> unit = rest.first(nal_length(rest));
    const auto set = read_set(codec, unit);
    if (!set || set->edits.empty()) return false;
    const auto begin = static_cast<std::size_t>(rest.data() - stream.data());
    changed.insert(changed.end(), stream.begin() + static_cast<std::ptrdiff_t>(copied),
                   stream.begin() + static_cast<std::ptrdiff_t>(begin));
    const Bytes unit_now = edited(unit, set->edits);
    changed.insert(changed.end(), unit_now.begin(), unit_now.end());
    copied = begin + unit.size();
    return false;
  });
  if (copied == 0) return std::nullopt;
  changed.insert(changed.end(), stream.begin() + static_cast<std::ptrdiff_t>(copied), stream.end());
  return changed;
}

}  // namespace zc
