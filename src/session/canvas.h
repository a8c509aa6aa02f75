// The size that pictures are coded in where that is their own.
#pragma once

#include "base/clock.h"
#include "media/geometry.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace zc {

/// The size to code a shown picture in: cut to even numbers, as 4:2:0 needs.
[[nodiscard]] constexpr Size coded_size(Size shown) {
  return {std::max(shown.width & ~1U, 2U), std::max(shown.height & ~1U, 2U)};
}

/// Follows the size of a source that may change at any time, and in many steps where a window's edge is dragged: a size
/// is taken once it has stood still. Pure, as Pacer.
class Canvas {
 public:
  static constexpr Nanoseconds kStill = std::chrono::milliseconds(500);

  /// A picture of `time` is shown in this size, and those before it are coded as `coded`. The size to code it in.
  [[nodiscard]] Size on_picture(Size shown, Nanoseconds time, Size coded) {
    const Size wanted = coded_size(shown);
    if (wanted != wanted_) {
      wanted_ = wanted;
      since_ = time;
    }
    const auto due = this->due(coded);
    return due && time >= *due ? wanted : coded;
  }
  /// When on_picture() gives the size shown last, if that stays, in the place of `coded`; nullopt: it does not.
  [[nodiscard]] std::optional<Nanoseconds> due(Size coded) const {
    return wanted_ == coded || wanted_ == refused_ ? std::nullopt : std::optional(since_ + kStill);
  }
  /// The encoder does not take this size: pictures of it are scaled.
  void refuse(Size size) { refused_ = size; }

 private:
  Size wanted_;
  std::optional<Size> refused_;
  Nanoseconds since_{};  ///< has `wanted_` been shown
};

}  // namespace zc
