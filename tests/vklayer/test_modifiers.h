// The layouts of memory that the layer adds to lavapipe's LINEAR, made up for tests.
#pragma once

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
/// Bytes of the first plane.
constexpr std::size_t tiled_bytes(std::uint32_t width, std::uint32_t height) {
  return std::size_t{tiled_stride(width)} * tiles(height) * kTileEdge;
}

}  // namespace zc::test
