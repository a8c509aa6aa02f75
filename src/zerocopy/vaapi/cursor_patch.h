#pragma once

#include "base/error.h"
#include "gpu/vaapi/device.h"
#include "media/surface.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/cpu/saved_under.h"

#include <memory>

namespace zc {

/// The pointer on a VA-API surface: the few samples it covers are read, drawn over by the CPU and written back.
/// (Blending by the video processor is not portable: drivers differ in whether they blend at all and in what
/// premultiplied means.) One thread makes every call.
class CursorPatch {
 public:
  /// `format`: of the surfaces.
  CursorPatch(std::shared_ptr<const vaapi::Device> device, const SurfaceFormat& format)
      : device_(std::move(device)), format_(format) {}
  CursorPatch(const CursorPatch&) = delete;
  CursorPatch& operator=(const CursorPatch&) = delete;
  ~CursorPatch();

  /// Draws a placement of `painter` with a shape onto a finished surface, and remembers what was under it.
  [[nodiscard]] Result<void> draw(VASurfaceID surface, const CursorPainter& painter, const CursorPlacement& placement,
                                  const PicturePlan& plan);
  /// Writes what the last draw() covered into a copy of that surface; nothing when it covered nothing.
  [[nodiscard]] Result<void> restore(VASurfaceID copy);
  /// The next surface has nothing under a cursor.
  void forget() { under_.clear(); }

 private:
  /// The image, mapped, as a picture of `size`.
  class Mapped;
  [[nodiscard]] Result<void> make_image(Size least);
  void drop_image();
  [[nodiscard]] Result<void> get(VASurfaceID surface, const Rect& rect) const;
  [[nodiscard]] Result<void> put(VASurfaceID surface, const Rect& rect) const;

  std::shared_ptr<const vaapi::Device> device_;
  SurfaceFormat format_;
  VAImage image_{};
  bool image_made_ = false;
  Size size_;   ///< px, of the image
  Rect where_;  ///< of the surface: what `under_` is of
  SavedUnder under_;
};

}  // namespace zc
