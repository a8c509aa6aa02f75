// The layouts of memory that the layer adds to lavapipe's LINEAR, made up for tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace zc::test {

/// 32-bit pixels in tiles of 16x16, tile after tile in rows; the stride is that of a row of tiles divided by 16. A
/// second memory plane holds one byte per tile (stride: tiles per row) that every byte of the tile is XORed with:
/// pictures come out right only when the driver is told where that plane is.
inline constexpr std::uint64_t kTiledModifier = 0x7e00'0000'0000'0001;
/// Listed as importable like any other, but every import fails.
inline constexpr std::uint64_t kRefusedModifier = 0x7e00'0000'0000'0002;

inline constexpr std::uint32_t kTileEdge = 16;
inline constexpr std::uint32_t kTileBytes = kTileEdge * kTileEdge * 4;

/// Tiles along an edge of that many pixels.
constexpr std::uint32_t tiles(std::uint32_t px) { return (px + kTileEdge - 1) / kTileEdge; }
/// Stride of the first plane.
constexpr std::uint32_t tiled_stride(std::uint32_t width) { return tiles(width) * kTileEdge * 4; }

/// Where both planes of a picture are in one piece of memory; strides larger than need be.
struct TiledLayout {
  std::uint32_t offset = 0, stride = 0, keys_offset = 0, keys_stride = 0;
  std::size_t bytes = 0;
};
constexpr TiledLayout tiled_layout(std::uint32_t width, std::uint32_t height, std::uint32_t offset) {
  TiledLayout l{.offset = offset, .stride = tiled_stride(width)};
  l.keys_offset = (offset + l.stride * tiles(height) * kTileEdge + 63) / 64 * 64 + 64;
  l.keys_stride = tiles(width) + 3;
  l.bytes = l.keys_offset + std::size_t{l.keys_stride} * tiles(height);
  return l;
}

/// Writes the pixels into memory whose second plane is already there.
inline void write_tiled(const std::byte* pixels, std::size_t stride, std::uint32_t width, std::uint32_t height,
                        const TiledLayout& to, std::byte* memory) {
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      const std::size_t row = y / kTileEdge;
      const std::size_t tile = x / kTileEdge;
      const std::byte key = memory[to.keys_offset + row * to.keys_stride + tile];
      const std::byte* from = pixels + y * stride + std::size_t{x} * 4;
      std::byte* at = memory + to.offset + row * to.stride * kTileEdge + tile * kTileBytes +
                      (std::size_t{y % kTileEdge} * kTileEdge + x % kTileEdge) * 4;
      std::transform(from, from + 4, at, [key](std::byte b) { return b ^ key; });
    }
  }
}

}  // namespace zc::test
