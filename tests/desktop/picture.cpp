#include "picture.h"

#include <cstring>

namespace zc::desktop {
namespace {

constexpr std::uint32_t kColumnPx = 320;  // a column of text, with a margin
constexpr std::uint32_t kLinePx = 16;
constexpr std::uint32_t kGlyphPx = 8;

/// A fixed hash (the finaliser of MurmurHash3), so that every run shows the same picture.
constexpr std::uint32_t scramble(std::uint32_t v) {
  v = (v ^ (v >> 16U)) * 0x85ebca6bU;
  v = (v ^ (v >> 13U)) * 0xc2b2ae35U;
  return v ^ (v >> 16U);
}

/// Dark 2x2 px dots inside 8x16 px cells, every eighth cell blank: as sharp and as dense as small text.
constexpr bool is_ink(std::uint32_t x, std::uint32_t y) {
  const std::uint32_t in_column = x % kColumnPx;
  const std::uint32_t in_line = y % kLinePx;
  if (in_column < 24 || in_column >= kColumnPx - 24 || in_line < 3 || in_line >= 13) return false;
  const std::uint32_t glyph = scramble((x / kGlyphPx) * 8191 + y / kLinePx);
  if (glyph % 8 == 0) return false;
  const std::uint32_t dot = (in_line / 2) * 4 + (x % kGlyphPx) / 2;
  return x % kGlyphPx < 6 && ((scramble(glyph) >> (dot % 32)) & 1U) != 0;
}

constexpr std::uint32_t wallpaper(std::uint32_t x, std::uint32_t y, std::uint32_t width) {
  if (is_ink(x, y)) return 0xff202428;
  const std::uint32_t wave = y < kPeriodRows / 2 ? y : kPeriodRows - 1 - y;  // 0..127 and back: no seam
  const std::uint32_t slope = x * 160 / width;
  return 0xff000000U | (70 + slope) << 16U | (110 + wave / 2) << 8U | (230 - slope);
}

}  // namespace

void paint_wallpaper(std::span<std::byte> pixels, Size size) {
  std::byte* out = pixels.data();
  for (std::uint32_t y = 0; y < size.height; ++y) {
    for (std::uint32_t x = 0; x < size.width; ++x, out += 4) {
      const std::uint32_t pixel = wallpaper(x, y % kPeriodRows, size.width);
      std::memcpy(out, &pixel, sizeof pixel);
    }
  }
}

}  // namespace zc::desktop
