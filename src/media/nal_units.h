// The units of H.264 and HEVC streams in Annex B, and what they are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace zc {

/// Big-endian bits; past the end it gives zeros and says so.
class BitReader {
 public:
  /// `escaped`: skips the emulation prevention byte of 00 00 03 (H.264 7.4.1).
  BitReader(std::span<const std::byte> bytes, bool escaped) : bytes_(bytes), escaped_(escaped) {}

  std::uint32_t read(unsigned count) {
    std::uint32_t value = 0;
    for (; count > 0; --count) value = value << 1U | bit();
    return value;
  }
  void skip(unsigned count) {
    for (; count > 0; --count) bit();
  }
  /// Exp-Golomb (H.264 9.1); what no parameter set holds is the greatest number.
  std::uint32_t read_ue() {
    unsigned zeros = 0;
    while (zeros < 32 && !overrun_ && bit() == 0) ++zeros;
    if (zeros >= 32) return std::numeric_limits<std::uint32_t>::max();
    return (1U << zeros) - 1 + read(zeros);
  }
  void skip_ue(unsigned count = 1) {
    for (; count > 0; --count) static_cast<void>(read_ue());
  }
  /// Bits that were read, without emulation prevention.
  [[nodiscard]] std::size_t position() const { return read_; }
  [[nodiscard]] bool overrun() const { return overrun_; }

 private:
  std::uint32_t bit() {
    if (left_ == 0 && !next_byte()) return 0;
    --left_;
    ++read_;
    return std::to_integer<std::uint32_t>(current_) >> left_ & 1U;
  }
  bool next_byte() {
    if (escaped_ && zeros_ >= 2 && position_ < bytes_.size() && bytes_[position_] == std::byte{3}) {
      ++position_;
      zeros_ = 0;
    }
    if (position_ >= bytes_.size()) {
      overrun_ = true;
      return false;
    }
    current_ = bytes_[position_++];
    zeros_ = current_ == std::byte{0} ? zeros_ + 1 : 0;
    left_ = 8;
    return true;
  }

  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
  std::size_t read_ = 0;
  std::byte current_{};
  unsigned left_ = 0;
  unsigned zeros_ = 0;
  bool escaped_;
  bool overrun_ = false;
};

/// Whether the unit whose first byte is `head` holds a part of a picture (H.264 table 7-1, HEVC table 7-1).
[[nodiscard]] constexpr bool is_slice(bool h264, unsigned head) {
  constexpr unsigned kH264LastSlice = 5;
  constexpr unsigned kHevcFirstNotSlice = 32;
  const unsigned type = h264 ? head & 31U : head >> 1U & 63U;
  return h264 ? type >= 1 && type <= kH264LastSlice : type < kHevcFirstNotSlice;
}

/// Bytes of the unit at the start of `rest`, up to the next start code or the zeros before it.
[[nodiscard]] inline std::size_t nal_length(std::span<const std::byte> rest) {
  std::size_t end = 0;
  while (end < rest.size() && (end + 2 >= rest.size() || rest[end] != std::byte{0} || rest[end + 1] != std::byte{0} ||
                               rest[end + 2] > std::byte{1})) {
    ++end;
  }
  while (end > 0 && rest[end - 1] == std::byte{0}) --end;
  return end;
}

/// Calls `visit` with each NAL unit of an Annex B stream and all behind it, until it returns true.
template <class Visit>
void for_each_nal(std::span<const std::byte> stream, Visit visit) {
  constexpr std::byte kZero{0};
  constexpr std::byte kOne{1};
  for (std::size_t i = 0; i + 3 < stream.size(); ++i) {
    if (stream[i] == kZero && stream[i + 1] == kZero && stream[i + 2] == kOne && visit(stream.subspan(i + 3))) return;
  }
}

}  // namespace zc
