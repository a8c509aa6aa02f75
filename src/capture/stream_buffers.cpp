#include "capture/stream_buffers.h"

#include "base/log.h"
#include "capture/buffer_meta.h"
#include "capture/spa_sync.h"

#include <pipewire/stream.h>
#include <spa/buffer/buffer.h>

#include <algorithm>
#include <atomic>
#include <limits>

namespace zc {
namespace {

constexpr std::size_t kMaxBlocks = 4;

/// Blocks that hold pixels; explicit-sync timelines may follow them.
std::span<const spa_data> pixel_blocks(const spa_buffer& buffer) {
  const std::span all(buffer.datas, buffer.n_datas);
  const auto end = std::ranges::find_if(all, [](const spa_data& d) { return d.type == kSpaDataSyncObj; });
  const auto count = std::min<std::size_t>(static_cast<std::size_t>(end - all.begin()), kMaxBlocks);
  return all.first(count);
}

bool same_layout(const PlaneLayouts& a, const PlaneLayouts& b) {
  return std::ranges::equal(a, b, [](const PlaneLayout& x, const PlaneLayout& y) {
    return x.block == y.block && x.offset_bytes == y.offset_bytes && x.stride_bytes == y.stride_bytes;
  });
}

/// Planes of a dmabuf: those of the pixel format when the layout is linear or implicit (INVALID, which has no others);
/// else whatever the modifier has (metadata planes, too), each with its own block.
struct DmabufPlanes {
  PlaneLayouts layouts;
  unsigned count = 0;
};
std::expected<DmabufPlanes, std::string_view> dmabuf_planes(std::span<const ChunkView> chunks,
                                                            const NegotiatedFormat& format) {
  DmabufPlanes planes;
  const bool implicit = *format.modifier == kModifierInvalid;
  // Rows of a layout that nobody states are not guessed.
  if (implicit && (chunks.empty() || chunks[0].stride <= 0)) return std::unexpected("a dmabuf plane without a stride");
  if (implicit || *format.modifier == kModifierLinear) {
    const auto layouts = lay_out_planes(format.format, format.size, chunks);
    if (!layouts) return std::unexpected(layouts.error());
    planes.layouts = *layouts;
    planes.count = info(format.format).planes;
    return planes;
  }
  if (chunks.empty() || chunks.size() > planes.layouts.size()) return std::unexpected("a strange number of planes");
  planes.count = static_cast<unsigned>(chunks.size());
  for (unsigned p = 0; p < planes.count; ++p) {
    if (chunks[p].stride <= 0) return std::unexpected("a dmabuf plane without a stride");
    planes.layouts.at(p) = {p, chunks[p].offset, static_cast<std::uint32_t>(chunks[p].stride)};
  }
  return planes;
}

}  // namespace

ChunkView read_chunk(const spa_data& data) {
  if (data.chunk == nullptr) return {};
  const spa_chunk chunk = *data.chunk;
  std::atomic_signal_fence(std::memory_order_seq_cst);  // the copy stays the copy, see buffer_meta.cpp
  return {chunk.offset, chunk.size, chunk.stride,
          (static_cast<std::uint32_t>(chunk.flags) & SPA_CHUNK_FLAG_CORRUPTED) != 0};
}

Result<std::unique_ptr<StreamBuffers>> StreamBuffers::create(std::shared_ptr<TimelineDevice> timelines) {
  auto queue = ReturnQueue::create();
  if (!queue) return std::unexpected(queue.error());
  return std::unique_ptr<StreamBuffers>(new StreamBuffers(std::move(*queue), std::move(timelines)));
}

StreamBuffers::Slot* StreamBuffers::slot_of(pw_buffer* buffer) { return static_cast<Slot*>(buffer->user_data); }

void StreamBuffers::add(pw_buffer* buffer) {
  buffer->user_data = nullptr;
  auto* const free = std::ranges::find_if(slots_, [](const Slot& s) { return s.buffer == nullptr && !s.lent; });
  if (free == slots_.end()) {
    logger("capture").warn("more than {} PipeWire buffers are in use: ignoring one", slots_.size());
    return;
  }
  free->buffer = buffer;
  buffer->user_data = &*free;
  set_spare(spare_ + 1);
  const auto blocks = pixel_blocks(*buffer->buffer);
  auto memory = std::make_shared<Memory>();
  for (std::size_t i = 0; i < std::min(blocks.size(), memory->size()); ++i) {
    const spa_data& data = blocks[i];
    if (data.type != SPA_DATA_MemFd || data.fd < 0 || data.fd > std::numeric_limits<int>::max()) continue;
    auto mapping = SharedMapping::create(static_cast<int>(data.fd), data.mapoffset, data.maxsize);
    if (mapping) {
      memory->at(i) = std::move(*mapping);
    } else {
      logger("capture").warn("a PipeWire buffer is unusable: {}", mapping.error().message());
    }
  }
  free->memory = std::move(memory);
  open_timelines(*buffer->buffer, *free);
  logger("capture").debug("a buffer of {} blocks{}", blocks.size(), free->release ? " and two timelines" : "");
}

void StreamBuffers::open_timelines(const spa_buffer& buffer, Slot& slot) const {
  if (!timelines_) return;
  std::shared_ptr<Timeline>* wanted = &slot.acquire;
  for (const spa_data& data : std::span(buffer.datas, buffer.n_datas)) {
    if (data.type != kSpaDataSyncObj || wanted == nullptr) continue;
    if (data.fd < 0 || data.fd > std::numeric_limits<int>::max()) return;
    auto timeline = timelines_->import(static_cast<int>(data.fd));
    if (!timeline) {
      logger("capture").warn("a PipeWire buffer is unusable: {}", timeline.error().message());
      return;
    }
    *wanted = std::move(*timeline);
    wanted = wanted == &slot.acquire ? &slot.release : nullptr;
  }
}

std::expected<SyncPoint, std::string_view> StreamBuffers::acquire_point(pw_buffer* buffer) const {
  const Slot* slot = slot_of(buffer);
  const auto points = parse_sync(find_meta(*buffer->buffer, kSpaMetaSyncTimeline));
  if (!points || points->acquire == 0) return SyncPoint{};
  if (slot == nullptr || !slot->acquire || !slot->release) {
    return std::unexpected("its timelines of explicit synchronisation cannot be opened");
  }
  return SyncPoint{slot->acquire, points->acquire};
}

ReleasePoint StreamBuffers::release_point(const pw_buffer& buffer, Slot& slot) {
  const auto points = parse_sync(find_meta(*buffer.buffer, kSpaMetaSyncTimeline));
  if (!points || points->release == 0 || !slot.release) return {};
  promise_release(*buffer.buffer);
  slot.promised = points->release;
  return ReleasePoint({slot.release, points->release});
}

void StreamBuffers::pass(pw_buffer* buffer) {
  if (Slot* slot = slot_of(buffer)) release_point(*buffer, *slot).reset();
}

void StreamBuffers::release_lost() {
  for (Slot& slot : slots_) {
    if (slot.buffer == nullptr || slot.lent || !slot.release) continue;
    const auto points = parse_sync(find_meta(*slot.buffer->buffer, kSpaMetaSyncTimeline));
    if (!points || points->release == slot.promised) continue;
    if (std::exchange(slot.waiting, points->release) == points->release) release_point(*slot.buffer, slot).reset();
  }
}

void StreamBuffers::remove(pw_buffer* buffer) {
  Slot* slot = slot_of(buffer);
  buffer->user_data = nullptr;
  if (slot == nullptr) return;
  if (!slot->lent) set_spare(spare_ - 1);
  slot->buffer = nullptr;
  slot->memory.reset();
  slot->dmabuf.reset();
  slot->acquire.reset();
  slot->release.reset();
  slot->promised = slot->waiting = 0;
}

bool StreamBuffers::has_memory(const pw_buffer& buffer) {
  return std::ranges::none_of(pixel_blocks(*buffer.buffer),
                              [](const spa_data& data) { return data.type == SPA_ID_INVALID; });
}

BufferLease StreamBuffers::lend(pw_buffer* buffer) {
  Slot* slot = slot_of(buffer);
  slot->lent = true;
  set_spare(spare_ - 1);
  return ReturnQueue::lend(queue_, static_cast<std::size_t>(slot - slots_.data()), release_point(*buffer, *slot));
}

std::expected<StreamBuffers::Image, std::string_view> StreamBuffers::image(pw_buffer* buffer,
                                                                           const NegotiatedFormat& format) {
  Slot* slot = slot_of(buffer);
  if (slot == nullptr) return std::unexpected("no slot for the buffer");
  const auto blocks = pixel_blocks(*buffer->buffer);
  if (blocks.empty() || !has_memory(*buffer)) return std::unexpected("a buffer without memory");
  std::array<ChunkView, kMaxBlocks> chunks;
  std::ranges::transform(blocks, chunks.begin(), read_chunk);
  const auto used = std::span(chunks).first(blocks.size());
  if (format.coded) return coded_image(*slot, used.front(), format);
  if (blocks.front().type == SPA_DATA_DmaBuf) return dmabuf_image(*slot, blocks, used, format);
  return host_image(*slot, used, format);
}

std::expected<StreamBuffers::Image, std::string_view> StreamBuffers::host_image(Slot& slot,
                                                                                std::span<const ChunkView> chunks,
                                                                                const NegotiatedFormat& format) {
  std::array<BlockView, 3> blocks;
  const std::size_t count = std::min(chunks.size(), blocks.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto& mapping = slot.memory->at(i);
    if (!mapping) return std::unexpected("memory that cannot be mapped");
    if (!mapping->intact()) return std::unexpected("memory that has been truncated");
    blocks.at(i) = {mapping->bytes(), chunks[i]};
  }
  const auto planes = view_planes(format.format, format.size, std::span(blocks).first(count));
  if (!planes) return std::unexpected(planes.error());
  HostImage image;
  image.format = format.format;
  image.size = format.size;
  image.planes = *planes;
  image.mapping = slot.memory;
  return image;
}

std::expected<StreamBuffers::Image, std::string_view> StreamBuffers::coded_image(const Slot& slot,
                                                                                 const ChunkView& chunk,
                                                                                 const NegotiatedFormat& format) {
  const auto& mapping = slot.memory->front();
  if (!mapping) return std::unexpected("memory that cannot be mapped");
  if (!mapping->intact()) return std::unexpected("memory that has been truncated");
  const std::span<const std::byte> all = mapping->bytes();
  if (chunk.offset > all.size() || chunk.size > all.size() - chunk.offset) {
    return std::unexpected("a coded picture that reaches beyond its memory");
  }
  return CodedImage{.format = *format.coded,
                    .size = format.size,
                    .bytes = all.subspan(chunk.offset, chunk.size),
                    .mapping = slot.memory};
}

std::expected<StreamBuffers::Image, std::string_view> StreamBuffers::dmabuf_image(Slot& slot,
                                                                                  std::span<const spa_data> blocks,
                                                                                  std::span<const ChunkView> chunks,
                                                                                  const NegotiatedFormat& format) {
  if (!format.modifier || format.needs_fixation()) return std::unexpected("a dmabuf without an agreed modifier");
  const auto planes = dmabuf_planes(chunks, format);
  if (!planes) return std::unexpected(planes.error());
  if (slot.dmabuf && same_layout(slot.dmabuf_layouts, planes->layouts) && slot.dmabuf->format == format.format &&
      slot.dmabuf->size == format.size && slot.dmabuf->modifier == *format.modifier) {
    return slot.dmabuf;
  }
  auto made = std::make_shared<Dmabuf>();
  made->size = format.size;
  made->format = format.format;
  made->modifier = *format.modifier;
  made->plane_count = planes->count;
  for (unsigned p = 0; p < planes->count; ++p) {
    const PlaneLayout& layout = planes->layouts.at(p);
    const spa_data& data = blocks[layout.block];
    const std::uint64_t offset = layout.offset_bytes + data.mapoffset;
    if (data.type != SPA_DATA_DmaBuf || data.fd < 0 || data.fd > std::numeric_limits<int>::max() ||
        offset > std::numeric_limits<std::uint32_t>::max()) {
      return std::unexpected("a dmabuf plane that is none");
    }
    auto fd = UniqueFd::dup(static_cast<int>(data.fd));
    if (!fd) return std::unexpected("a dmabuf's fd cannot be duplicated");
    made->planes.at(p) = {std::move(*fd), static_cast<std::uint32_t>(offset), layout.stride_bytes};
  }
  if (!made->validate()) return std::unexpected("a dmabuf shorter than its picture");
  slot.dmabuf = std::move(made);
  slot.dmabuf_layouts = planes->layouts;
  return slot.dmabuf;
}

}  // namespace zc
