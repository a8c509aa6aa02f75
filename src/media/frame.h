#pragma once

#include "base/clock.h"
#include "media/buffer_lease.h"
#include "media/coded_image.h"
#include "media/colour.h"
#include "media/device_image.h"
#include "media/dmabuf.h"
#include "media/geometry.h"
#include "media/pixel_format.h"
#include "media/timeline.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace zc {

/// Pixels in memory the CPU can read: a view into the producer's buffer, never a copy.
struct HostImage {
  struct Plane {
    const std::byte* data = nullptr;  ///< first byte of the first row
    std::uint32_t stride_bytes = 0;
  };
  PixelFormat format = PixelFormat::Unknown;
  Size size;  ///< px
  std::array<Plane, 3> planes;
  std::shared_ptr<const void> mapping;  ///< keeps the memory mapped; the lease keeps the producer from writing to it
};

/// Areas that changed since the previous frame of the same source, in buffer coordinates. Fixed storage: no allocation.
/// Areas that overlap or touch are merged where that covers little else; when no more fit, the new one joins the one
/// that grows least. `everything` = the producer did not say, or all changed.
class Damage {
 public:
  static constexpr std::size_t kMaxRects = 32;

  [[nodiscard]] static Damage all() { return {}; }
  [[nodiscard]] static Damage none() {
    Damage d;
    d.everything_ = false;
    return d;
  }
  [[nodiscard]] bool everything() const { return everything_; }
  /// Nothing changed.
  [[nodiscard]] bool nothing() const { return !everything_ && count_ == 0; }
  [[nodiscard]] std::span<const Rect> rects() const { return std::span(rects_).first(count_); }
  void add(const Rect& rect);
  void add(const Damage& other);

 private:
  bool everything_ = true;
  std::size_t count_ = 0;
  std::array<Rect, kMaxRects> rects_{};
};

/// A pointer image as the producer sent it: premultiplied alpha, one plane of `size.width * 4` bytes a row.
struct CursorBitmap {
  PixelFormat format = PixelFormat::BGRA;  ///< BGRA, RGBA, ARGB or ABGR
  Size size;                               ///< px
  std::vector<std::byte> pixels;           ///< size.width * size.height * 4 bytes
};

struct CursorState {
  bool visible = false;
  Point position;  ///< of the hotspot, in the buffer's coordinates (before crop and transform)
  Point hotspot;   ///< inside the bitmap
  std::shared_ptr<const CursorBitmap> bitmap;  ///< same object as long as the shape stays the same
};

/// One frame on its way from a source to an importer. Move-only (it holds the lease).
struct Frame {
  /// monostate: no new picture, only cursor news; the importer redraws its last picture.
  std::variant<std::monostate, HostImage, std::shared_ptr<const Dmabuf>, std::shared_ptr<const DeviceImage>, CodedImage>
      image;
  BufferLease lease;
  SyncPoint acquire;  ///< when the picture may be read; see wait_for_producer()
  /// CLOCK_MONOTONIC, strictly rising per source, on the producer's clock: up to 0.6 s before `arrival`, and up to 0.1
  /// s behind it where a compositor states the coming vblank.
  Nanoseconds pts{};
  Nanoseconds arrived{};       ///< CLOCK_MONOTONIC: when the session got it, and with it the producer's buffer
  Nanoseconds arrival{};       ///< when the source's thread got it
  std::uint64_t sequence = 0;  ///< counted by the source, rising by one per delivered frame
  std::uint32_t spare = 0;     ///< producer's buffers that nobody held when this one had been lent; 0: unknown, too
  Rect crop;                   ///< the part to show, in buffer coordinates; empty = everything
  Transform transform = Transform::Normal;  ///< of the cropped buffer; undone for display
  Damage damage;
  std::optional<CursorState> cursor;  ///< only when the source delivers cursor metadata
  ColourDescription colour;           ///< as the stream said it

  [[nodiscard]] bool has_image() const { return !std::holds_alternative<std::monostate>(image); }
  /// Size of the picture in the buffer, before crop and transform; empty when there is none.
  [[nodiscard]] Size buffer_size() const;
  [[nodiscard]] PixelFormat format() const;
  /// Size as shown: after crop and transform.
  [[nodiscard]] Size visible_size() const;

  /// Called on the newer of two frames when the older one will never be shown: keeps what must not be lost, which is
  /// the older one's damage, its cursor when this one has none, and its picture (with lease) when this one has none.
  /// Returns true when the older picture was thrown away, false when it was taken over or there was none.
  bool supersede(Frame&& older);
};

}  // namespace zc
