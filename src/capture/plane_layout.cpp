#include "capture/plane_layout.h"

#include <algorithm>
#include <limits>

namespace zc {
namespace {

constexpr std::size_t kMaxBlocks = 3;

/// Bytes from the start of a plane to the end of its last row. All factors are below 2^32.
std::uint64_t plane_bytes(PixelFormat format, unsigned plane, Size size, std::uint32_t stride) {
  const std::uint64_t rows = plane_height(format, plane, size.height);
  return std::uint64_t{stride} * (rows - 1) + row_bytes(format, plane, size.width);
}

/// The stride of a chroma plane that follows the first plane in the same block.
std::uint64_t derived_stride(PixelFormat format, unsigned plane, Size size, std::uint32_t first_stride) {
  const PixelFormatInfo& f = info(format);
  const std::uint64_t samples = first_stride / std::max<std::uint32_t>(f.bytes_per_sample[0], 1);
  const std::uint64_t shifted = (samples + (1U << f.chroma_shift_x) - 1) >> f.chroma_shift_x;
  return std::max<std::uint64_t>(shifted * f.bytes_per_sample.at(plane), row_bytes(format, plane, size.width));
}

}  // namespace

std::expected<PlaneLayouts, std::string_view> lay_out_planes(PixelFormat format, Size size,
                                                             std::span<const ChunkView> chunks) {
  const unsigned planes = info(format).planes;
  if (planes == 0 || size.empty()) return std::unexpected("no picture format");
  if (chunks.size() != 1 && chunks.size() < planes) return std::unexpected("too few blocks of memory");
  PlaneLayouts layouts;
  std::uint64_t next = 0;
  for (unsigned p = 0; p < planes; ++p) {
    const bool own_block = p == 0 || chunks.size() >= planes;
    PlaneLayout& layout = layouts.at(p);
    std::uint64_t stride = 0;
    if (own_block) {
      const ChunkView& chunk = chunks[p];
      if (chunk.stride < 0) return std::unexpected("a negative stride");
      layout.block = p;
      layout.offset_bytes = chunk.offset;
      stride = static_cast<std::uint64_t>(chunk.stride);
      if (stride == 0) stride = row_bytes(format, p, size.width);
    } else {
      layout.offset_bytes = next;
      stride = derived_stride(format, p, size, layouts[0].stride_bytes);
    }
    if (stride < row_bytes(format, p, size.width)) return std::unexpected("a stride shorter than a row");
    if (stride > std::numeric_limits<std::uint32_t>::max()) return std::unexpected("a stride out of range");
    layout.stride_bytes = static_cast<std::uint32_t>(stride);
    next = layout.offset_bytes + stride * plane_height(format, p, size.height);
  }
  return layouts;
}

std::expected<std::array<HostImage::Plane, 3>, std::string_view> view_planes(PixelFormat format, Size size,
                                                                             std::span<const BlockView> blocks) {
  std::array<ChunkView, kMaxBlocks> chunks;
  const std::size_t count = std::min(blocks.size(), kMaxBlocks);
  for (std::size_t i = 0; i < count; ++i) chunks.at(i) = blocks[i].chunk;
  const auto layouts = lay_out_planes(format, size, std::span(chunks).first(count));
  if (!layouts) return std::unexpected(layouts.error());
  std::array<HostImage::Plane, 3> planes;
  for (unsigned p = 0; p < info(format).planes; ++p) {
    const PlaneLayout& layout = layouts->at(p);
    const BlockView& block = blocks[layout.block];
    const std::uint64_t end = layout.offset_bytes + plane_bytes(format, p, size, layout.stride_bytes);
    if (end > block.bytes.size()) return std::unexpected("the memory is shorter than the picture");
    if (end - block.chunk.offset > block.chunk.size) return std::unexpected("the chunk is shorter than the picture");
    planes.at(p) = {block.bytes.data() + layout.offset_bytes, layout.stride_bytes};
  }
  return planes;
}

}  // namespace zc
