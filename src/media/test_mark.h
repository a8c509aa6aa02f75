// A machine-readable label inside a picture: frame number and time, legible after lossy coding, scaling and colour
// conversion. The `test` source and the demo's animated client paint it; tests, the demo and benchmarks read it.
#pragma once

#include "base/clock.h"
#include "media/geometry.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace zc {

struct TestMark {
  std::uint32_t frame = 0;
  Nanoseconds time{};  ///< CLOCK_MONOTONIC when the picture was due, or painted
  bool operator==(const TestMark&) const = default;
};

/// The mark is a grid of 16 x 8 square cells in the top left corner, white = 1: 32 bits frame number, 64 bits
/// nanoseconds, 32 bits CRC-32 (IEEE 802.3) of those 12 bytes little-endian; bits row by row, most significant first.
inline constexpr unsigned kMarkColumns = 16;
inline constexpr unsigned kMarkRows = 8;

/// Edge of a cell in px for a picture of this size: at most 16, at least 1. Legible after coding from about 4 on,
/// which is a picture of 64x32 or more.
[[nodiscard]] std::uint32_t mark_cell_px(Size picture);

/// Paints into 32-bit pixels. `white` and `black` are whole pixel words (0xffffffff works for every format).
void paint_mark(std::span<std::byte> pixels, std::size_t stride_bytes, Size picture, const TestMark& mark,
                std::uint32_t white = 0xffffffff, std::uint32_t black = 0xff000000);

/// Reads a mark from a luma plane of `picture` px. `painted` is the size of the picture the mark was painted into, when
/// it was scaled since (not letterboxed). nullopt when the CRC does not fit.
[[nodiscard]] std::optional<TestMark> read_mark(std::span<const std::byte> luma, std::size_t stride_bytes, Size picture,
                                                unsigned bytes_per_sample, Size painted);

}  // namespace zc
