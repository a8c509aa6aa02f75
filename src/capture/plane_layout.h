// From a producer's blocks of memory and its words about them to planes that are safe to read.
#pragma once

#include "media/dmabuf.h"
#include "media/frame.h"
#include "media/geometry.h"
#include "media/pixel_format.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

namespace zc {

/// struct spa_chunk, copied once out of the shared memory.
struct ChunkView {
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
  std::int32_t stride = 0;  ///< 0: rows without padding
  bool corrupted = false;
};

/// One spa_data: the memory that can be read and what the chunk says about this frame.
struct BlockView {
  std::span<const std::byte> bytes;
  ChunkView chunk;
};

/// A plane as offset and stride inside one of the blocks.
struct PlaneLayout {
  std::size_t block = 0;
  std::uint64_t offset_bytes = 0;
  std::uint32_t stride_bytes = 0;
};
using PlaneLayouts = std::array<PlaneLayout, Dmabuf::kMaxPlanes>;  ///< a tiled dmabuf may have one more than its format

/// Where each plane begins: one block per plane, or all planes one behind another in a single block (cameras), the
/// chroma strides then following from the first. Checks strides against rows, no lengths. The error is a static text.
[[nodiscard]] std::expected<PlaneLayouts, std::string_view> lay_out_planes(PixelFormat format, Size size,
                                                                           std::span<const ChunkView> chunks);

/// The planes of a picture in host memory, each row of each plane inside its block and inside the chunk's own size.
/// The error is a static text: a broken stream must not make us allocate per frame.
[[nodiscard]] std::expected<std::array<HostImage::Plane, 3>, std::string_view> view_planes(
    PixelFormat format, Size size, std::span<const BlockView> blocks);

}  // namespace zc
