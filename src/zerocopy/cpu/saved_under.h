#pragma once

#include "zerocopy/cpu/yuv_view.h"

#include <cstddef>
#include <vector>

namespace zc {

/// The samples of a picture that something was drawn over, to take it away again.
class SavedUnder {
 public:
  /// Copies `rect` (chroma-aligned, inside the picture). Allocates only when it is larger than any before.
  void save(const YuvView& view, const Rect& rect);
  /// Writes them back, into the same picture or another of its format and size. Nothing when nothing was saved.
  void restore(const YuvView& view) const;
  void clear() { rect_ = {}; }
  /// Room for any rectangle of this size.
  void reserve(PixelFormat format, Size size);
  [[nodiscard]] const Rect& rect() const { return rect_; }

 private:
  Rect rect_;
  std::vector<std::byte> samples_;
};

}  // namespace zc
