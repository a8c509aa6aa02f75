// What libyuv does for us: turning, scaling and camera formats. No other file of this folder includes it.
#pragma once

#include "base/error.h"
#include "media/frame.h"
#include "zerocopy/cpu/rgb_to_yuv.h"
#include "zerocopy/cpu/yuv_view.h"

namespace zc {

/// Undoes `transform` on 32-bit pixels. `target` holds the turned size; rows and columns outside are not touched.
[[nodiscard]] Result<void> turn_pixels(const RgbView& source, Transform transform, std::byte* target,
                                       std::size_t target_stride_bytes);
/// The same for an I420 picture; `target` has the turned size.
[[nodiscard]] Result<void> turn_i420(const YuvView& source, Transform transform, const YuvView& target);

/// Scales between two pictures of the same planar format, averaging areas when it shrinks. A flat picture stays flat to
/// within one code value.
[[nodiscard]] Result<void> scale_yuv(const YuvView& source, const YuvView& target);

/// True for the formats cameras send, MJPEG ones when decoded: YUY2, UYVY, NV12, I420, I422.
[[nodiscard]] bool is_camera_format(PixelFormat format);
/// `crop` of a camera picture as I420 or NV12 (`target.format`) of the same size. The crop's origin is even.
[[nodiscard]] Result<void> camera_to_420(const HostImage& source, const Rect& crop, const YuvView& target);
/// I420 to NV12, I420 or I444 of the same size.
[[nodiscard]] Result<void> i420_to(const YuvView& source, const YuvView& target);

/// 8-bit samples to 10 bits (value * 4: limited range stays exact); I420 -> I010 or P010, I444 -> I410.
void widen(const YuvView& source, const YuvView& target);
/// I010 -> P010.
void interleave_p010(const YuvView& source, const YuvView& target);

}  // namespace zc
