// A picture made for one encoder, given to another.
#pragma once

#include "base/error.h"
#include "media/surface.h"

namespace zc {

/// When an encoder is replaced, pictures made for it are under way, and their maker goes on making such. This turns
/// them into what the successor takes: from a device's memory to the host, from two planes (NV12, P010) to three (I420,
/// I010). One copy where pixels must move, none where they need not. One thread makes every call.
class SurfaceAdapter {
 public:
  /// Unsupported: another size, depth, chroma or colour, or from the host into a device's.
  [[nodiscard]] static Result<SurfaceAdapter> create(const SurfaceFormat& from, const SurfaceFormat& to);

  /// The surface itself, referenced, where nothing is to be done. Its time is kept. Lost: the device's memory cannot be
  /// read any more.
  [[nodiscard]] Result<Surface> adapt(const Surface& surface);
  [[nodiscard]] const SurfaceFormat& from() const { return from_; }

 private:
  SurfaceAdapter(const SurfaceFormat& from, const SurfaceFormat& to) : from_(from), to_(to) {}
  [[nodiscard]] Result<Surface> download(const Surface& surface);
  [[nodiscard]] Result<Surface> split(const Surface& surface);

  SurfaceFormat from_;
  SurfaceFormat to_;
  Surface host_;    ///< the newest downloaded picture; its memory is used again once the encoder has let it go
  Surface planar_;  ///< likewise, split
};

}  // namespace zc
