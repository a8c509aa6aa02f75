#pragma once

#include "base/clock.h"
#include "media/colour.h"
#include "media/geometry.h"
#include "media/pixel_format.h"

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

struct AVFrame;

namespace zc {

/// Where a surface's pixels lie.
enum class MemoryKind : std::uint8_t {
  Host,    ///< AVFrame::data are host pointers
  Cuda,    ///< AV_PIX_FMT_CUDA: AVFrame::data are device pointers of hw_frames_ctx's CUDA context
  Vaapi,   ///< AV_PIX_FMT_VAAPI: AVFrame::data[3] is a VASurfaceID of hw_frames_ctx's display
  Vulkan,  ///< AV_PIX_FMT_VULKAN: AVFrame::data[0] is an AVVkFrame of hw_frames_ctx's device
};
/// "host", "cuda", "vaapi", "vulkan"
[[nodiscard]] std::string_view to_string(MemoryKind memory);

/// What an encoder wants to be fed and an importer must produce.
struct SurfaceFormat {
  PixelFormat format = PixelFormat::Unknown;  ///< layout of the pixels; on the GPU the software layout inside
  Size size;                                  ///< px, as coded
  ColourDescription colour = kBt709Limited;   ///< the conversion matches this and the bitstream's VUI says it
  MemoryKind memory = MemoryKind::Host;
  bool operator==(const SurfaceFormat&) const = default;
};

struct AvFrameDeleter {
  void operator()(AVFrame* frame) const noexcept;
};
using AvFramePtr = std::unique_ptr<AVFrame, AvFrameDeleter>;

/// A pooled, reference-counted picture that an encoder takes as it is: host memory or, with `hw_frames_ctx`, GPU
/// memory. AVFrame's own buffer references are the pool's bookkeeping: the memory goes back to its pool when the last
/// reference (ours, a repeat's, the encoder's) is gone. The pixels are constant once the importer has handed the
/// surface over.
class Surface {
 public:
  Surface() noexcept = default;
  explicit Surface(AvFramePtr frame, SurfaceFormat format) noexcept : frame_(std::move(frame)), format_(format) {}

  explicit operator bool() const noexcept { return frame_ != nullptr; }
  [[nodiscard]] const AVFrame* av_frame() const noexcept { return frame_.get(); }
  [[nodiscard]] AVFrame* av_frame() noexcept { return frame_.get(); }
  [[nodiscard]] const SurfaceFormat& format() const noexcept { return format_; }

  /// Another reference to the same pixels (a repeated frame). Empty when out of memory.
  [[nodiscard]] Surface share() const;

  /// Time of the picture on the stream's clock, nanoseconds since the stream's first frame. Set by the pipeline.
  Nanoseconds stream_time{};

 private:
  AvFramePtr frame_;
  SurfaceFormat format_;
};

}  // namespace zc
