#pragma once

#include "media/frame.h"

#include <cstddef>
#include <memory>

namespace zc {

/// The newest picture of a source in memory of our own, for whoever reads it later than its producer can spare its
/// buffer. RGB of four bytes a pixel. One thread; images that were handed out see what is kept later, if it is as
/// large.
class KeptPicture {
 public:
  KeptPicture() = default;
  /// A black one.
  explicit KeptPicture(Size size);

  /// Copies what has changed in the frame's picture, which is a HostImage; where that is.
  Damage keep(const Frame& frame);
  void blacken();

  [[nodiscard]] bool empty() const { return size_.empty(); }
  /// As it is seen, px.
  [[nodiscard]] Size size() const { return swaps_axes(transform_) ? Size{size_.height, size_.width} : size_; }
  [[nodiscard]] Transform transform() const { return transform_; }
  /// Named as a picture of that format, which has its colours in the same bytes.
  [[nodiscard]] HostImage image(PixelFormat format) const;

 private:
  void make(Size size);

  Size size_;
  Transform transform_ = Transform::Normal;
  Rect visible_;  ///< of the frame's buffer
  std::shared_ptr<std::byte[]> pixels_;
};

}  // namespace zc
