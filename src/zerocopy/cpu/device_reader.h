#pragma once

#include "base/error.h"
#include "media/device_image.h"
#include "media/frame.h"

namespace zc {

/// Reads decoded pictures out of a GPU's memory: the way for what no pass reads there. Keeps the memory that it copies
/// to. One thread.
class DeviceReader {
 public:
  /// The picture, until the next call. Invalid: the image is not complete. Lost: its device does not give it.
  [[nodiscard]] Result<HostImage> read(const DeviceImage& image);

 private:
  AvFramePtr copy_;
  // What the copy was made for. A pool may come to lie where another one was.
  const void* pool_ = nullptr;
  Size size_;  ///< px, of the pool's pictures
};

}  // namespace zc
