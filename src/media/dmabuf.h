#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "media/geometry.h"
#include "media/pixel_format.h"

#include <array>
#include <cstdint>

namespace zc {

inline constexpr std::uint64_t kModifierLinear = 0;                       ///< DRM_FORMAT_MOD_LINEAR
inline constexpr std::uint64_t kModifierInvalid = 0x00ff'ffff'ffff'ffff;  ///< DRM_FORMAT_MOD_INVALID: implicit layout

/// A GPU buffer shared by fd. Immutable after create(); made once per PipeWire buffer and shared by all its frames, so
/// importers key their caches by the object's identity (never by the fd number, which is reused).
struct Dmabuf {
  struct Plane {
    UniqueFd fd;
    std::uint32_t offset_bytes = 0;
    std::uint32_t stride_bytes = 0;
  };
  static constexpr unsigned kMaxPlanes = 4;

  Size size;  ///< px
  PixelFormat format = PixelFormat::Unknown;
  std::uint64_t modifier = kModifierInvalid;
  std::array<Plane, kMaxPlanes> planes;
  unsigned plane_count = 0;

  /// Checks the description against itself and against the real size of each fd (lseek SEEK_END): a LINEAR plane must
  /// hold stride x rows bytes, an implicit layout (INVALID) has its format's planes and strides of whole rows, every
  /// plane's offset must lie inside. Returns ErrorKind::Invalid naming the plane.
  [[nodiscard]] Result<void> validate() const;
};

}  // namespace zc
