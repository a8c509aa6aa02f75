#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "media/surface.h"

namespace zc {

/// A device in whose memory an importer can make pictures and an encoder can take them as they are. May be used from
/// any thread.
class PictureDevice {
 public:
  PictureDevice() = default;
  virtual ~PictureDevice() = default;
  PictureDevice(const PictureDevice&) = delete;
  PictureDevice& operator=(const PictureDevice&) = delete;

  /// Never Host.
  [[nodiscard]] virtual MemoryKind memory() const = 0;
  /// An initialised AVHWDeviceContext on the device, which stays open until FFmpeg drops its last reference. Errors:
  /// FFmpeg's.
  [[nodiscard]] virtual Result<AvBufferPtr> av_device() const = 0;
};

}  // namespace zc
