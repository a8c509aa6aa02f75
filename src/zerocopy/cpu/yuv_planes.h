#pragma once

#include "zerocopy/cpu/yuv_view.h"

#include <cstddef>
#include <vector>

namespace zc {

/// A picture in memory of its own, which only grows.
class YuvPlanes {
 public:
  /// Undefined contents. Strides are multiples of 64 bytes. Allocates only when larger than any before.
  const YuvView& reset(PixelFormat format, Size size);
  [[nodiscard]] const YuvView& view() const { return view_; }

 private:
  YuvView view_;
  std::vector<std::byte> memory_;
};

}  // namespace zc
