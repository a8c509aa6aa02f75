// The metadata of a PipeWire buffer. It lies in memory that the producer can write at any time: every value is copied
// once and checked after, and every length is checked against the meta's own size.
#pragma once

#include "media/frame.h"
#include "media/geometry.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

struct spa_buffer;

namespace zc {

using MetaBytes = std::span<const std::byte>;

/// The bytes of the meta of that SPA_META_* type; empty when the buffer has none.
[[nodiscard]] MetaBytes find_meta(const spa_buffer& buffer, std::uint32_t type);

struct HeaderMeta {
  bool corrupted = false;
  std::int64_t pts = -1;
  std::uint64_t sequence = 0;  ///< rising by one per buffer, or constant where the producer does not count
};
/// nullopt: no header, or too short to be one.
[[nodiscard]] std::optional<HeaderMeta> parse_header(MetaBytes bytes);

/// VideoCrop, cut to the picture. Empty (show everything) when absent, invalid or outside.
[[nodiscard]] Rect parse_crop(MetaBytes bytes, Size picture);

/// VideoTransform; Normal when absent or out of range.
[[nodiscard]] Transform parse_transform(MetaBytes bytes);

/// VideoDamage up to its first invalid region, cut to the picture. A list without any region counts as everything:
/// producers exist that negotiate the meta and leave it zero.
[[nodiscard]] Damage parse_damage(MetaBytes bytes, Size picture);

/// Points on the two timelines of a buffer; 0: none.
struct SyncPoints {
  std::uint64_t acquire = 0;
  std::uint64_t release = 0;
};
/// SyncTimeline; nullopt when absent or too short.
[[nodiscard]] std::optional<SyncPoints> parse_sync(MetaBytes bytes);
/// Tells the producer that its release point will be signalled. `buffer` is ours to write: dequeued, not yet given
/// back.
void promise_release(const spa_buffer& buffer);

/// Follows SPA_META_Cursor from buffer to buffer: a bitmap is sent only when the shape changes.
class CursorTracker {
 public:
  static constexpr std::uint32_t kMaxEdgePx = 1024;

  /// Reads the meta of the next buffer, in order. nullopt when it is too short to be one. An id of 0 or a bitmap
  /// without pixels hides the pointer. A malformed bitmap leaves the shape as it was. A bitmap with the same pixels as
  /// the last keeps the last object. `stale`: this buffer is older than the one before; only a first shape is taken.
  [[nodiscard]] std::optional<CursorState> update(MetaBytes bytes, bool stale = false);

 private:
  void read_bitmap(MetaBytes bytes, Point hotspot);

  CursorState state_;
  bool shape_visible_ = true;
};

}  // namespace zc
