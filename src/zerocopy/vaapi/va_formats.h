#pragma once

#include "media/pixel_format.h"

#include <cstdint>
#include <span>

extern "C" {
#include <libavutil/pixfmt.h>
}

namespace zc {

/// What VA-API and libavutil call a pixel format.
struct VaFormat {
  PixelFormat format;
  /// What such a buffer is imported as: alpha means nothing on a screen, and a video processor must not blend with it.
  PixelFormat as;
  AVPixelFormat layout;
  std::uint32_t fourcc;  ///< VA_FOURCC_*
};

/// Every format that dmabufs are imported in.
[[nodiscard]] std::span<const VaFormat> va_formats();
/// Null: none of them.
[[nodiscard]] const VaFormat* va_format(PixelFormat format);

}  // namespace zc
