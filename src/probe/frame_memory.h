// Frames to try a route with, in whatever memory this machine has for buffers that two programs share.
#pragma once

#include "base/error.h"
#include "media/dmabuf.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc::probe {

/// Pixels of a 32-bit format, rows tightly packed.
struct TestPicture {
  Size size;
  PixelFormat format = PixelFormat::BGRx;
  std::vector<std::byte> pixels;
  [[nodiscard]] std::size_t stride_bytes() const { return std::size_t{size.width} * 4; }
};
/// Slopes, edges and noise; the same at every call.
[[nodiscard]] TestPicture make_test_picture(Size size);

/// A kind of shared memory.
struct FrameMemory {
  std::string_view name;  ///< "udmabuf"
  bool dmabuf;            ///< what a compositor hands over; false: memory that only a software driver takes for one
  /// A buffer that holds `picture`, in one of the layouts of `modifiers` (best first). Unsupported, Denied or NotFound
  /// where this machine has none of that kind.
  Result<std::shared_ptr<const Dmabuf>> (*make)(const TestPicture& picture, std::span<const std::uint64_t> modifiers);
};
/// In the order they are tried: tiled before LINEAR, real dmabufs before stand-ins.
[[nodiscard]] std::span<const FrameMemory> frame_memories();

}  // namespace zc::probe
