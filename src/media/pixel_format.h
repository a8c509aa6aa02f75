#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace zc {

/// Pixel formats that sources deliver and encoders take. Names follow PipeWire: 8-bit RGB formats name the byte order
/// in memory (BGRx: byte 0 is blue), the 10-bit ones name a little-endian 32-bit word from its high bits down
/// (xRGB_210LE: x in bits 31-30, red 29-20, green 19-10, blue 9-0).
enum class PixelFormat : std::uint8_t {
  Unknown,
  BGRx,
  BGRA,
  RGBx,
  RGBA,
  xRGB,
  ARGB,
  xBGR,
  ABGR,
  xRGB_210LE,
  ARGB_210LE,
  xBGR_210LE,
  ABGR_210LE,
  RGBx_102LE,
  RGBA_102LE,
  BGRx_102LE,
  BGRA_102LE,
  YUY2,
  UYVY,  ///< packed 4:2:2 (cameras)
  NV12,  ///< 4:2:0, 8 bit, Y plane then interleaved UV plane
  I420,  ///< 4:2:0, 8 bit, three planes
  P010,  ///< 4:2:0, 10 bit in the high bits of 16, Y plane then interleaved UV plane
  I010,  ///< 4:2:0, 10 bit in the low bits of 16, three planes (FFmpeg: yuv420p10le)
  I444,  ///< 4:4:4, 8 bit, three planes
  I410,  ///< 4:4:4, 10 bit in the low bits of 16, three planes (FFmpeg: yuv444p10le)
  I422,  ///< 4:2:2, 8 bit, three planes (most MJPEG cameras)
};

struct PixelFormatInfo {
  PixelFormat format;
  std::string_view name;     ///< as PipeWire prints it: "BGRx", "xRGB_210LE", "NV12"
  std::uint32_t drm_fourcc;  ///< DRM_FORMAT_*; 0 where DRM has none
  std::uint8_t bits;         ///< bits per component: 8 or 10
  std::uint8_t planes;
  std::array<std::uint8_t, 3>
      bytes_per_sample;         ///< per plane: bytes of one sample position (4 for BGRx, 2 for NV12's UV)
  std::uint8_t chroma_shift_x;  ///< log2 of the horizontal subsampling of planes 1 and 2
  std::uint8_t chroma_shift_y;
  bool yuv;
  bool alpha;
};

[[nodiscard]] std::span<const PixelFormatInfo> pixel_formats();
[[nodiscard]] const PixelFormatInfo& info(PixelFormat format);
[[nodiscard]] inline std::string_view name(PixelFormat format) { return info(format).name; }
/// Case-insensitive.
[[nodiscard]] std::optional<PixelFormat> pixel_format_from_name(std::string_view name);
[[nodiscard]] std::optional<PixelFormat> pixel_format_from_fourcc(std::uint32_t fourcc);

/// Width and height in samples of one plane of an image of `width` x `height` px; chroma rounds up.
[[nodiscard]] std::uint32_t plane_width(PixelFormat format, unsigned plane, std::uint32_t width);
[[nodiscard]] std::uint32_t plane_height(PixelFormat format, unsigned plane, std::uint32_t height);
/// Bytes of one row of a plane without padding.
[[nodiscard]] std::uint64_t row_bytes(PixelFormat format, unsigned plane, std::uint32_t width);

}  // namespace zc
