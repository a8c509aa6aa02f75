// What a camera's readers get: a surface in the layout that they asked for.
#pragma once

#include "base/error.h"
#include "media/pixel_format.h"
#include "media/surface.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace zc {

/// One piece of memory, rows without padding, planes one after the other: what readers of cameras expect.
struct CameraLayout {
  PixelFormat format = PixelFormat::NV12;  ///< one of camera_formats()
  Size size;                               ///< px, even

  [[nodiscard]] std::uint32_t stride_bytes() const;  ///< of the first plane
  [[nodiscard]] std::size_t bytes() const;
  bool operator==(const CameraLayout&) const = default;
};

/// What surfaces of this colour can be given as, what costs least first. RGB goes into BGRx alone: readers would take
/// YUV made of it for whatever matrix they like best.
[[nodiscard]] std::span<const PixelFormat> camera_formats(const ColourDescription& colour);

/// Writes surfaces as a camera's pictures: NV12 and I420 are copied or split, everything else is converted, 10 bits
/// become 8, and another size is scaled into the camera's with bars at the sides. What lies in a GPU's memory is read
/// back first. One thread makes every call; memory is allocated for the first picture of a kind only.
class CameraPicture {
 public:
  /// `target` has layout.bytes(). Unsupported: no such conversion; Lost: the device's memory cannot be read any more.
  [[nodiscard]] Result<void> write(const Surface& picture, const CameraLayout& layout, std::span<std::byte> target);

 private:
  struct Planes;

  [[nodiscard]] Result<const AVFrame*> in_host_memory(const Surface& picture);
  /// With samples of 8 bits.
  [[nodiscard]] Result<Planes> narrow(const AVFrame& frame);
  [[nodiscard]] Result<void> write_rgb(const Planes& from, Size size, const CameraLayout& layout, std::uint8_t* target);
  [[nodiscard]] Result<void> write_yuv(Planes from, const ColourDescription& colour, const CameraLayout& layout,
                                       std::uint8_t* target);
  [[nodiscard]] Planes halved(const Planes& from);
  [[nodiscard]] Planes scaled(const Planes& from, const ColourDescription& colour, Size size);

  AvFramePtr read_back_;              ///< of a device's picture
  std::vector<std::uint8_t> narrow_;  ///< 8 bits of 10
  std::vector<std::uint8_t> halved_;  ///< 4:2:0 of 4:4:4
  std::vector<std::uint8_t> scaled_;
  std::vector<std::uint8_t> split_;  ///< chroma in planes of its own
};

}  // namespace zc
