#include "support/producer_buffer.h"

#include "support/picture_format.h"
#include "vklayer/test_modifiers.h"

#include <fcntl.h>
#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/video/raw.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

namespace zc::test {
namespace {

constexpr std::uint32_t kBlankStride = 0;
constexpr std::uint32_t kTiledChunkBytes = 9;  ///< nonsense, as of linear ones

/// Chroma stride beside a luma stride in one block, by the same rule as real drivers: the same padding, subsampled.
std::uint32_t chroma_stride(PixelFormat format, unsigned plane, Size size, std::uint32_t luma_stride) {
  const PictureFormat& f = picture_format(format);
  const std::uint32_t samples = luma_stride / f.bytes[0];
  return std::max(static_cast<std::uint32_t>(f.row_bytes(plane, samples)),
                  static_cast<std::uint32_t>(f.row_bytes(plane, size.width)));
}

std::int64_t stated_pts(const ProducerOptions& options, const TestMark& mark, Nanoseconds first) {
  constexpr std::int64_t kHour = 3'600'000'000'000;
  switch (options.pts) {
    case PtsMode::Good: return mark.time.count();
    case PtsMode::Ancient: return mark.time.count() - kHour;
    case PtsMode::Future: return mark.time.count() + kHour;
    case PtsMode::Repeated: return first.count();
    case PtsMode::Zero: return 0;
    case PtsMode::MinusOne:
    case PtsMode::NoHeader: break;
  }
  return -1;
}

template <class T>
T* meta(spa_buffer& buffer, std::uint32_t type) {
  return static_cast<T*>(spa_buffer_find_meta_data(&buffer, type, sizeof(T)));
}

spa_region to_spa(const Rect& r) { return {{r.x, r.y}, {r.width, r.height}}; }

std::uint32_t spa_transform(Transform transform) {
  switch (transform) {
    case Transform::Normal: return SPA_META_TRANSFORMATION_None;
    case Transform::Rot90: return SPA_META_TRANSFORMATION_90;
    case Transform::Rot180: return SPA_META_TRANSFORMATION_180;
    case Transform::Rot270: return SPA_META_TRANSFORMATION_270;
    case Transform::Flipped: return SPA_META_TRANSFORMATION_Flipped;
    case Transform::Flipped90: return SPA_META_TRANSFORMATION_Flipped90;
    case Transform::Flipped180: return SPA_META_TRANSFORMATION_Flipped180;
    case Transform::Flipped270: return SPA_META_TRANSFORMATION_Flipped270;
  }
  return SPA_META_TRANSFORMATION_None;
}

void write_cursor(const ProducerOptions& options, std::uint64_t counter, unsigned shape, bool resend_shape,
                  spa_buffer& buffer) {
  auto* cursor = meta<spa_meta_cursor>(buffer, SPA_META_Cursor);
  if (cursor == nullptr) return;
  const Point at = pointer_position(options.cursor_moves ? counter : 0, options.cursor_at);
  *cursor = {};
  if (!options.cursor) return;  // stated, and without a pointer to speak of
  cursor->id = 1;
  cursor->position = {at.x, at.y};
  cursor->hotspot = {kPointerHotspot.x, kPointerHotspot.y};
  const std::size_t shape_bytes = sizeof(spa_meta_cursor) + sizeof(spa_meta_bitmap) + kPointerSize.area() * 4;
  if (!resend_shape || spa_buffer_find_meta_data(&buffer, SPA_META_Cursor, shape_bytes) == nullptr) return;
  cursor->bitmap_offset = sizeof(spa_meta_cursor);
  spa_meta_bitmap bitmap{};
  bitmap.format = SPA_VIDEO_FORMAT_BGRA;
  bitmap.size = {kPointerSize.width, kPointerSize.height};
  bitmap.stride = static_cast<std::int32_t>(kPointerSize.width * 4);
  bitmap.offset = sizeof(spa_meta_bitmap);
  auto* at_bitmap = reinterpret_cast<std::byte*>(cursor) + cursor->bitmap_offset;
  std::memcpy(at_bitmap, &bitmap, sizeof(bitmap));
  const auto pixels = pointer_pixels(shape);
  std::memcpy(at_bitmap + bitmap.offset, pixels.data(), pixels.size());
}

}  // namespace

std::vector<BlockLayout> block_layouts(const ProducerOptions& options, PixelFormat format, Size size,
                                       std::optional<std::uint64_t> modifier) {
  if (modifier == kTiledModifier) {
    const TiledLayout tiled = tiled_layout(size.width, size.height, options.offset);
    return {{.planes = 1, .stride = tiled.stride, .picture_bytes = tiled.bytes, .block_bytes = tiled.bytes},
            {.first_plane = 1, .stride = tiled.keys_stride, .picture_bytes = tiled.bytes, .block_bytes = tiled.bytes}};
  }
  const PictureFormat& f = picture_format(format);
  const auto first_stride = static_cast<std::uint32_t>(f.row_bytes(0, size.width)) + options.stride_padding;
  std::vector<BlockLayout> layouts;
  for (unsigned p = 0; p < f.planes; ++p) {
    const std::uint32_t stride = p == 0 ? first_stride : chroma_stride(format, p, size, first_stride);
    if (p == 0 || options.separate_blocks) layouts.push_back({p, 0, {}, stride, 0, options.offset});
    BlockLayout& block = layouts.back();
    block.plane_offset.at(block.planes++) = block.block_bytes;
    const std::uint64_t rows = f.plane_size(p, size).height;
    block.picture_bytes = block.block_bytes + stride * (rows - 1) + f.row_bytes(p, size.width) - options.offset;
    block.block_bytes += stride * rows;
  }
  return layouts;
}

bool ProducerBuffer::allocate(Block& block, std::size_t bytes, DrmNode* node) {
  if (node == nullptr) {
    block.fd = UniqueFd(::memfd_create("zerocast-test-buffer", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    return ::ftruncate(block.fd.get(), static_cast<off_t>(bytes)) == 0;
  }
  auto drm = node->make_buffer(bytes);
  if (!drm) {
    std::fprintf(stderr, "zerocast-test-producer: %s\n", drm.error().message().c_str());
    return false;
  }
  block.drm = std::move(*drm);
  auto fd = UniqueFd::dup(block.drm->fd());
  if (fd) block.fd = std::move(*fd);
  return fd.has_value();
}

std::unique_ptr<ProducerBuffer> ProducerBuffer::create(const ProducerOptions& options, PixelFormat format, Size size,
                                                       std::optional<std::uint64_t> modifier, DrmNode* node,
                                                       spa_buffer& buffer) {
  std::unique_ptr<ProducerBuffer> made(new ProducerBuffer(options, format, size, modifier));
  const auto layouts = block_layouts(options, format, size, modifier);
  for (std::uint32_t i = 0; i < std::min<std::size_t>(buffer.n_datas, layouts.size()); ++i) {
    Block block;
    block.layout = layouts[i];
    block.map_bytes = static_cast<std::size_t>(options.map_offset + block.layout.block_bytes);
    if (modifier == kTiledModifier && i > 0) {
      auto same = made->blocks_.front().fd.dup();  // the planes of a modifier lie in one buffer
      if (!same) return nullptr;
      block.fd = std::move(*same);
    } else {
      // Dmabufs: whole pages and then some, as GPUs allocate.
      const std::size_t bytes = modifier ? (block.map_bytes / 4096 + 17) * 4096 : block.map_bytes;
      if (!allocate(block, bytes, modifier ? node : nullptr)) return nullptr;
    }
    void* map = ::mmap(nullptr, block.map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, block.fd.get(), 0);
    if (map == MAP_FAILED) return nullptr;
    block.map = static_cast<std::byte*>(map);

    const bool dmabuf = modifier.has_value();
    spa_data& data = buffer.datas[i];
    data.type = dmabuf ? SPA_DATA_DmaBuf : SPA_DATA_MemFd;
    data.flags = SPA_DATA_FLAG_READABLE | (dmabuf ? 0 : SPA_DATA_FLAG_MAPPABLE);
    data.fd = block.fd.get();
    data.mapoffset = options.map_offset;
    const auto block_bytes = static_cast<std::uint32_t>(block.layout.block_bytes);
    data.maxsize = dmabuf ? options.dmabuf_max_bytes.value_or(block_bytes) : block_bytes;
    data.data = nullptr;
    made->blocks_.push_back(std::move(block));
  }
  if (!made->add_sync(static_cast<std::uint32_t>(layouts.size()), node, buffer)) return nullptr;
  return made;
}

ProducerBuffer::~ProducerBuffer() {
  for (const Block& b : blocks_) {
    if (b.map != nullptr) ::munmap(b.map, b.map_bytes);
  }
}

bool ProducerBuffer::add_sync(std::uint32_t blocks, DrmNode* node, spa_buffer& buffer) {
  const bool timelines = options_.sync == Sync::Explicit && buffer.n_datas == blocks + 2;
  const bool fences = options_.sync == Sync::Implicit && modifier_ && blocks_.front().drm;
  if (timelines) sync_ = make_timeline_sync(node, blocks, !options_.like_compositors, buffer);
  if (fences) sync_ = make_fence_sync(*blocks_.front().drm);
  return sync_ || !(timelines || fences);
}

void ProducerBuffer::fill_tiled(const TestMark& mark) {
  const TiledLayout tiled = tiled_layout(size_.width, size_.height, options_.offset);
  const std::size_t stride = std::size_t{size_.width} * 4;
  linear_.resize(stride * size_.height);
  paint_picture(format_, size_, mark, {{{linear_.data(), stride}}});
  std::byte* memory = blocks_.front().map + options_.map_offset;
  for (std::size_t i = tiled.keys_offset; i < tiled.bytes; ++i) memory[i] = static_cast<std::byte>(i * 7 + mark.frame);
  write_tiled(linear_.data(), stride, size_.width, size_.height, tiled, memory);
}

void ProducerBuffer::fill(const TestMark& mark) {
  if (modifier_ == kTiledModifier) return fill_tiled(mark);
  std::array<PictureTarget, 3> planes;
  const auto first_stride = blocks_.front().layout.stride;
  for (const Block& b : blocks_) {
    for (unsigned i = 0; i < b.layout.planes; ++i) {
      const unsigned p = b.layout.first_plane + i;
      const std::uint32_t stride = p == 0 ? first_stride : chroma_stride(format_, p, size_, first_stride);
      planes.at(p) = {b.map + options_.map_offset + b.layout.plane_offset.at(i), stride};
    }
  }
  // A short buffer is cut after the picture was painted: the mapping of this side would fault as well.
  if (!options_.short_buffers) {
    paint_picture(format_, size_, mark, planes);
  } else {
    for (const Block& b : blocks_) {
      [[maybe_unused]] const int cut = ::ftruncate(b.fd.get(), static_cast<off_t>(b.map_bytes / 2));
    }
  }
}

void ProducerBuffer::describe(spa_buffer& buffer) const {
  if (modifier_ == kTiledModifier) {
    const TiledLayout tiled = tiled_layout(size_.width, size_.height, options_.offset);
    *buffer.datas[0].chunk = {tiled.offset, kTiledChunkBytes, static_cast<std::int32_t>(tiled.stride), 0};
    *buffer.datas[1].chunk = {tiled.keys_offset, kTiledChunkBytes, static_cast<std::int32_t>(tiled.keys_stride), 0};
    return;
  }
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const BlockLayout& layout = blocks_[i].layout;
    const auto picture = static_cast<std::uint32_t>(layout.picture_bytes) - (options_.short_chunks ? 1 : 0);
    const auto& stated = modifier_ ? options_.dmabuf_chunk_bytes : options_.memory_chunk_bytes;
    const std::uint32_t bytes = stated.value_or(picture);
    const std::uint32_t stride = options_.zero_stride ? kBlankStride : layout.stride;
    *buffer.datas[i].chunk = {options_.offset, bytes, static_cast<std::int32_t>(stride), 0};
  }
}

void ProducerBuffer::paint(const TestMark& mark, spa_buffer& buffer) {
  fill(mark);
  describe(buffer);
}

void ProducerBuffer::put(std::span<const std::byte> coded, spa_buffer& buffer) {
  const Block& block = blocks_.front();
  const std::size_t bytes = std::min<std::size_t>(coded.size(), block.layout.block_bytes);
  std::memcpy(block.map + options_.map_offset, coded.data(), bytes);
  *buffer.datas[0].chunk = {0, static_cast<std::uint32_t>(bytes), 0, 0};
}

void ProducerBuffer::blank(CursorOnly how, spa_buffer& buffer) const {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    spa_chunk& chunk = *buffer.datas[i].chunk;
    chunk = {0, 0, static_cast<std::int32_t>(blocks_[i].layout.stride), 0};
    if (how == CursorOnly::Corrupted) chunk.size = static_cast<std::uint32_t>(blocks_[i].layout.picture_bytes);
    if (how != CursorOnly::SizeZero) chunk.flags = SPA_CHUNK_FLAG_CORRUPTED;
  }
}

void write_metas(const ProducerOptions& options, Size size, const TestMark& mark, Nanoseconds first_time,
                 std::uint64_t counter, unsigned shape, bool resend_shape, spa_buffer& buffer) {
  if (auto* header = meta<spa_meta_header>(buffer, SPA_META_Header)) {
    *header = {};
    header->pts = stated_pts(options, mark, first_time);
    header->seq = options.counts ? counter : 0;
    header->flags = options.header_flags;
  }
  if (auto* crop = meta<spa_meta_region>(buffer, SPA_META_VideoCrop)) {
    crop->region = to_spa(options.crop.empty() ? Rect{0, 0, size.width, size.height} : options.crop);
  }
  if (auto* transform = meta<spa_meta_videotransform>(buffer, SPA_META_VideoTransform)) {
    transform->transform = spa_transform(options.transform);
  }
  if (spa_meta* damage = spa_buffer_find_meta(&buffer, SPA_META_VideoDamage)) {
    const std::size_t room = damage->size / sizeof(spa_meta_region);
    auto* regions = static_cast<spa_meta_region*>(damage->data);
    for (std::size_t i = 0; i < room; ++i) {
      regions[i].region = i < options.damage.size() ? to_spa(options.damage[i]) : spa_region{};
    }
  }
  write_cursor(options, counter, shape, resend_shape, buffer);
}

std::vector<std::byte> pointer_pixels(unsigned shape) {
  std::vector<std::byte> pixels(kPointerSize.area() * 4);
  for (std::size_t i = 0; i < kPointerSize.area(); ++i) {
    const auto value = static_cast<std::uint32_t>(i % 200) + (shape == 0 ? 0 : 50);
    const std::uint32_t word = 0xff000000U | value << 16U | value << 8U | value;
    std::memcpy(pixels.data() + i * 4, &word, 4);
  }
  return pixels;
}

Point pointer_position(std::uint64_t counter, Point from) {
  return {from.x + static_cast<std::int32_t>(counter), from.y + static_cast<std::int32_t>(counter / 2)};
}

}  // namespace zc::test
