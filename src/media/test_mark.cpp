#include "media/test_mark.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace zc {
namespace {

constexpr unsigned kBits = kMarkColumns * kMarkRows;
using Words = std::array<std::uint32_t, 4>;  // frame, time high, time low, CRC

/// CRC-32 (IEEE 802.3, reflected) over the three data words, byte by byte, little-endian.
std::uint32_t crc32(std::span<const std::uint32_t> words) {
  std::uint32_t crc = 0xffffffffU;
  for (const std::uint32_t word : words) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      crc ^= (word >> shift) & 0xffU;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
    }
  }
  return ~crc;
}

}  // namespace

std::uint32_t mark_cell_px(Size picture) {
  return std::clamp<std::uint32_t>(std::min(picture.width / kMarkColumns, picture.height / kMarkRows), 1, 16);
}

void paint_mark(std::span<std::byte> pixels, std::size_t stride_bytes, Size picture, const TestMark& mark,
                std::uint32_t white, std::uint32_t black) {
  const auto time = static_cast<std::uint64_t>(mark.time.count());
  Words words{mark.frame, static_cast<std::uint32_t>(time >> 32U), static_cast<std::uint32_t>(time), 0};
  words[3] = crc32(std::span(words).first(3));
  const std::uint32_t cell = mark_cell_px(picture);
  const std::uint32_t width = std::min(cell * kMarkColumns, picture.width);
  const std::uint32_t height = std::min(cell * kMarkRows, picture.height);
  for (std::uint32_t y = 0; y < height; ++y) {
    std::byte* row = pixels.data() + y * stride_bytes;
    for (std::uint32_t x = 0; x < width; ++x) {
      const unsigned bit = (y / cell) * kMarkColumns + x / cell;
      const bool on = ((words.at(bit / 32) >> (31 - bit % 32)) & 1U) != 0;
      const std::uint32_t value = on ? white : black;
      std::memcpy(row + std::size_t{x} * 4, &value, 4);
    }
  }
}

std::optional<TestMark> read_mark(std::span<const std::byte> luma, std::size_t stride_bytes, Size picture,
                                  unsigned bytes_per_sample, Size painted) {
  if (picture.empty() || painted.empty()) return std::nullopt;
  const std::uint32_t cell = mark_cell_px(painted);
  std::array<std::uint32_t, kBits> level{};
  std::uint32_t darkest = 0xffff;
  std::uint32_t brightest = 0;
  for (unsigned bit = 0; bit < kBits; ++bit) {
    // The centre of the cell, in the picture's own scale.
    const std::uint64_t px = std::uint64_t{bit % kMarkColumns} * cell * 2 + cell;
    const std::uint64_t py = std::uint64_t{bit / kMarkColumns} * cell * 2 + cell;
    const std::uint64_t x = px * picture.width / (2 * std::uint64_t{painted.width});
    const std::uint64_t y = py * picture.height / (2 * std::uint64_t{painted.height});
    const std::uint64_t offset = y * stride_bytes + x * bytes_per_sample;
    if (x >= picture.width || y >= picture.height || offset + bytes_per_sample > luma.size()) return std::nullopt;
    auto value = std::to_integer<std::uint32_t>(luma[offset]);
    if (bytes_per_sample == 2) value |= std::to_integer<std::uint32_t>(luma[offset + 1]) << 8U;
    level.at(bit) = value;
    darkest = std::min(darkest, value);
    brightest = std::max(brightest, value);
  }
  const std::uint32_t threshold = (darkest + brightest) / 2;
  Words words{};
  for (unsigned bit = 0; bit < kBits; ++bit) {
    if (level.at(bit) > threshold) words.at(bit / 32) |= 1U << (31 - bit % 32);
  }
  if (crc32(std::span(words).first(3)) != words[3]) return std::nullopt;
  return TestMark{words[0], Nanoseconds(static_cast<std::int64_t>(std::uint64_t{words[1]} << 32U | words[2]))};
}

}  // namespace zc
