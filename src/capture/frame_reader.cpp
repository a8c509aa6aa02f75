#include "capture/frame_reader.h"

#include "base/log.h"

#include <pipewire/stream.h>
#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>

#include <utility>

namespace zc {
namespace {

bool same_cursor(const CursorState& a, const CursorState& b) {
  return a.visible == b.visible && a.position == b.position && a.hotspot == b.hotspot && a.bitmap == b.bitmap;
}

/// Buffers that only carry the pointer: GNOME sends chunk size 0, KDE the CORRUPTED flag. The size of a dmabuf's chunk
/// means nothing (xdg-desktop-portal-wlr: 9), the flag does.
bool says_no_picture(const pw_buffer& buffer, const std::optional<HeaderMeta>& header) {
  if (header && header->corrupted) return true;
  if (buffer.buffer->n_datas == 0) return true;
  const spa_data& first = buffer.buffer->datas[0];
  const ChunkView chunk = read_chunk(first);
  return chunk.corrupted || (first.type != SPA_DATA_DmaBuf && chunk.size == 0);
}

}  // namespace

SourceStats StreamCounters::read() const {
  const auto get = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  return {get(delivered), get(cursor_updates), get(skipped), get(corrupt), get(bad_pts)};
}

void FrameReader::set_format(const NegotiatedFormat& format) {
  format_ = format;
  damage_unknown_ = true;
  order_.reset();
  picture_order_.reset();
  last_refusal_ = {};
}

void FrameReader::note_refusal(std::string_view why) {
  StreamCounters::add_one(counters_.corrupt);
  damage_unknown_ = true;
  if (std::exchange(last_refusal_, why) != why) logger("capture").warn("a PipeWire buffer is refused: {}", why);
}

std::expected<StreamBuffers::Image, std::string_view> FrameReader::readable(pw_buffer* buffer,
                                                                            SyncPoint& acquire) const {
  auto image = buffers_.image(buffer, format_);
  if (!image) return image;
  auto point = buffers_.acquire_point(buffer);
  if (!point) return std::unexpected(point.error());
  acquire = std::move(*point);
  return image;
}

std::optional<Frame> FrameReader::read(pw_buffer* buffer, Nanoseconds arrival) {
  const spa_buffer& spa = *buffer->buffer;
  Frame frame;
  frame.arrival = arrival;
  const auto header = parse_header(find_meta(spa, SPA_META_Header));
  using Place = SequenceOrder::Place;
  const auto place = header ? order_.place(*header) : Place::Next;
  if (place != Place::Next) damage_unknown_ = true;
  // A stale one was missing already when the newer one came.
  if (place == Place::Gap) counters_.skipped.fetch_add(order_.missing(), std::memory_order_relaxed);
  frame.cursor = cursor_.update(find_meta(spa, SPA_META_Cursor), place == Place::Stale);
  const bool cursor_news = frame.cursor && (!last_cursor_ || !same_cursor(*last_cursor_, *frame.cursor));

  if (says_no_picture(*buffer, header)) {
    // Without a pointer to speak of, the flag means what it says: a picture that went wrong.
    if (!frame.cursor) note_refusal("the producer flagged it as corrupted or empty");
    if (!cursor_news) return std::nullopt;
  } else if (header && picture_order_.place(*header) == Place::Stale) {
    if (!cursor_news) return std::nullopt;
  } else if (auto image = readable(buffer, frame.acquire)) {
    std::visit([&](auto& picture) { frame.image = std::move(picture); }, *image);
    frame.lease = buffers_.lend(buffer);
    frame.spare = buffers_.spare();
    frame.crop = parse_crop(find_meta(spa, SPA_META_VideoCrop), format_.size);
    frame.transform = parse_transform(find_meta(spa, SPA_META_VideoTransform));
    if (auto* coded = std::get_if<CodedImage>(&frame.image)) coded->follows = !damage_unknown_;
    if (!std::exchange(damage_unknown_, false)) {
      frame.damage = parse_damage(find_meta(spa, SPA_META_VideoDamage), format_.size);
    }
    frame.colour = format_.colour;
  } else {
    note_refusal(image.error());
    if (!cursor_news) return std::nullopt;
  }

  last_cursor_ = frame.cursor;
  if (!frame.has_image()) {
    frame.pts = clock_.news(arrival);
    return frame;
  }
  const auto stamp = clock_.picture(header ? std::optional(header->pts) : std::nullopt, arrival);
  if (stamp.replaced) StreamCounters::add_one(counters_.bad_pts);
  frame.pts = stamp.pts;
  return frame;
}

}  // namespace zc
