#include "capture/buffer_meta.h"

#include "capture/spa_sync.h"
#include "pipewire/spa_video_format.h"

#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <type_traits>

namespace zc {
namespace {

/// A private copy: nothing read from it afterwards can change. The fence keeps the compiler from reading the shared
/// original a second time in place of the copy.
template <class T>
std::optional<T> snapshot(MetaBytes bytes, std::size_t offset = 0) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return value;
}

Rect to_rect(const spa_meta_region& meta, Size picture) {
  const spa_region& r = meta.region;
  return intersect({r.position.x, r.position.y, r.size.width, r.size.height}, {0, 0, picture.width, picture.height});
}

bool is_cursor_format(PixelFormat format) {
  using enum PixelFormat;
  constexpr std::array kFormats = {BGRA, RGBA, ARGB, ABGR};
  return std::ranges::find(kFormats, format) != kFormats.end();
}

/// Rows of a foreign bitmap, all inside its meta.
struct BitmapView {
  PixelFormat format = PixelFormat::Unknown;
  Size size;
  std::size_t stride_bytes = 0;
  MetaBytes rows;

  [[nodiscard]] std::size_t row_bytes() const { return std::size_t{size.width} * 4; }
  [[nodiscard]] MetaBytes row(std::size_t y) const { return rows.subspan(y * stride_bytes, row_bytes()); }

  [[nodiscard]] bool equals(const CursorBitmap& other) const {
    if (other.format != format || other.size != size) return false;
    for (std::size_t y = 0; y < size.height; ++y) {
      if (std::memcmp(row(y).data(), other.pixels.data() + y * row_bytes(), row_bytes()) != 0) return false;
    }
    return true;
  }

  [[nodiscard]] std::shared_ptr<const CursorBitmap> copy() const {
    auto bitmap = std::make_shared<CursorBitmap>();
    bitmap->format = format;
    bitmap->size = size;
    bitmap->pixels.resize(row_bytes() * size.height);
    for (std::size_t y = 0; y < size.height; ++y) {
      std::memcpy(bitmap->pixels.data() + y * row_bytes(), row(y).data(), row_bytes());
    }
    return bitmap;
  }
};

std::optional<BitmapView> view_bitmap(const spa_meta_bitmap& head, MetaBytes bytes) {
  const auto format = pixel_format_from_spa(head.format);
  const Size size{head.size.width, head.size.height};
  if (!format || !is_cursor_format(*format) || size.empty()) return std::nullopt;
  if (size.width > CursorTracker::kMaxEdgePx || size.height > CursorTracker::kMaxEdgePx) return std::nullopt;
  BitmapView view{*format, size, 0, {}};
  if (head.stride < 0 || head.offset < sizeof(spa_meta_bitmap) || head.offset > bytes.size()) return std::nullopt;
  view.stride_bytes = head.stride == 0 ? view.row_bytes() : static_cast<std::size_t>(head.stride);
  if (view.stride_bytes < view.row_bytes()) return std::nullopt;
  view.rows = bytes.subspan(head.offset);
  if (view.stride_bytes * (size.height - 1) + view.row_bytes() > view.rows.size()) return std::nullopt;
  return view;
}

}  // namespace

MetaBytes find_meta(const spa_buffer& buffer, std::uint32_t type) {
  for (const spa_meta& meta : std::span(buffer.metas, buffer.n_metas)) {
    if (meta.type == type && meta.data != nullptr) return {static_cast<const std::byte*>(meta.data), meta.size};
  }
  return {};
}

std::optional<HeaderMeta> parse_header(MetaBytes bytes) {
  const auto header = snapshot<spa_meta_header>(bytes);
  if (!header) return std::nullopt;
  return HeaderMeta{(header->flags & SPA_META_HEADER_FLAG_CORRUPTED) != 0, header->pts, header->seq};
}

Rect parse_crop(MetaBytes bytes, Size picture) {
  const auto region = snapshot<spa_meta_region>(bytes);
  return region ? to_rect(*region, picture) : Rect{};
}

Transform parse_transform(MetaBytes bytes) {
  const auto meta = snapshot<spa_meta_videotransform>(bytes);
  if (!meta || meta->transform > SPA_META_TRANSFORMATION_Flipped270) return Transform::Normal;
  return static_cast<Transform>(meta->transform);
}

Damage parse_damage(MetaBytes bytes, Size picture) {
  Damage damage = Damage::none();
  bool any = false;
  for (std::size_t offset = 0;; offset += sizeof(spa_meta_region)) {
    const auto region = snapshot<spa_meta_region>(bytes, offset);
    if (!region || region->region.size.width == 0 || region->region.size.height == 0) break;
    const Rect rect = to_rect(*region, picture);
    any = any || !rect.empty();
    damage.add(rect);
  }
  return any ? damage : Damage::all();
}

std::optional<SyncPoints> parse_sync(MetaBytes bytes) {
  const auto meta = snapshot<SpaSyncTimeline>(bytes);
  if (!meta) return std::nullopt;
  return SyncPoints{meta->acquire_point, meta->release_point};
}

void promise_release(const spa_buffer& buffer) {
  for (const spa_meta& meta : std::span(buffer.metas, buffer.n_metas)) {
    if (meta.type != kSpaMetaSyncTimeline || meta.data == nullptr || meta.size < sizeof(SpaSyncTimeline)) continue;
    std::uint32_t flags = 0;
    std::memcpy(&flags, meta.data, sizeof flags);
    flags &= ~kSpaUnscheduledRelease;
    std::memcpy(meta.data, &flags, sizeof flags);
  }
}

void CursorTracker::read_bitmap(MetaBytes bytes, Point hotspot) {
  const auto head = snapshot<spa_meta_bitmap>(bytes);
  if (!head || head->format == 0) return;  // "as if there is no new bitmap information"
  if (head->offset == 0 || head->size.width == 0 || head->size.height == 0) {
    shape_visible_ = false;
    return;
  }
  const auto view = view_bitmap(*head, bytes);
  if (!view) return;
  shape_visible_ = true;
  state_.hotspot = hotspot;
  if (state_.bitmap == nullptr || !view->equals(*state_.bitmap)) state_.bitmap = view->copy();
}

std::optional<CursorState> CursorTracker::update(MetaBytes bytes, bool stale) {
  const auto meta = snapshot<spa_meta_cursor>(bytes);
  if (!meta) return std::nullopt;
  if (stale && state_.bitmap) return state_;
  if (meta->id == 0) {
    state_.visible = false;
    return state_;
  }
  state_.position = {meta->position.x, meta->position.y};
  if (meta->bitmap_offset >= sizeof(spa_meta_cursor) && meta->bitmap_offset < bytes.size()) {
    read_bitmap(bytes.subspan(meta->bitmap_offset), {meta->hotspot.x, meta->hotspot.y});
  }
  state_.visible = shape_visible_ && state_.bitmap != nullptr;
  return state_;
}

}  // namespace zc
