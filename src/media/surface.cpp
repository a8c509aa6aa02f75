#include "media/surface.h"

extern "C" {
#include <libavutil/frame.h>
}

namespace zc {

void AvFrameDeleter::operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }

std::string_view to_string(MemoryKind memory) {
  switch (memory) {
    case MemoryKind::Host: return "host";
    case MemoryKind::Cuda: return "cuda";
    case MemoryKind::Vaapi: return "vaapi";
    case MemoryKind::Vulkan: return "vulkan";
  }
  return "unknown";
}

Surface Surface::share() const {
  if (!frame_) return {};
  Surface copy(AvFramePtr(av_frame_clone(frame_.get())), format_);
  copy.stream_time = stream_time;
  return copy;
}

}  // namespace zc
