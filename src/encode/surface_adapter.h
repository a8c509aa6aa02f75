// A picture made for one encoder, given to another.
#pragma once

#include "base/error.h"
#include "media/surface.h"

#include <cstddef>
#include <memory>

namespace zc {

namespace cuda {
class PinnedPool;
}

/// When an encoder is replaced, pictures made for it are under way, and their maker goes on making such. This turns
/// them into what the successor takes: from a device's memory to the host, from two planes (NV12, P010) to three (I420,
/// I010). One copy where pixels must move, none where they need not. What comes from CUDA memory lands in page-locked
/// memory, which the GPU writes to itself, as long as the driver has some. One thread makes every call.
class SurfaceAdapter {
 public:
  /// Page-locked pictures there are at most; an encoder that holds more gets further ones in ordinary memory.
  static constexpr std::size_t kPinnedPictures = 4;

  /// Unsupported: another size, depth, chroma or colour, or from the host into a device's.
  [[nodiscard]] static Result<SurfaceAdapter> create(const SurfaceFormat& from, const SurfaceFormat& to);

  /// The surface itself, referenced, where nothing is to be done. Its time is kept. Lost: the device's memory cannot be
  /// read any more.
  [[nodiscard]] Result<Surface> adapt(const Surface& surface);
  [[nodiscard]] const SurfaceFormat& from() const { return from_; }
  /// Without page-locked memory, to compare.
  void use_pageable_memory() { pinning_ = false; }

  SurfaceAdapter(SurfaceAdapter&&) noexcept;
  SurfaceAdapter& operator=(SurfaceAdapter&&) noexcept;
  SurfaceAdapter(const SurfaceAdapter&) = delete;
  SurfaceAdapter& operator=(const SurfaceAdapter&) = delete;
  ~SurfaceAdapter();

 private:
  SurfaceAdapter(const SurfaceFormat& from, const SurfaceFormat& to);
  [[nodiscard]] Result<Surface> download(const Surface& surface);
  [[nodiscard]] Result<Surface> split(const Surface& surface);
  /// A picture to download `surface` to; empty where it has to be in ordinary memory.
  [[nodiscard]] Surface pinned_picture(const Surface& surface, const SurfaceFormat& format);

  SurfaceFormat from_;
  SurfaceFormat to_;
  bool pinning_ = true;
  std::unique_ptr<cuda::PinnedPool> pinned_;
  Surface host_;    ///< the newest picture in ordinary memory, which is used again once the encoder has let it go
  Surface planar_;  ///< likewise, split
};

}  // namespace zc
