#include "media/surface.h"

extern "C" {
#include <libavutil/frame.h>
}

namespace zc {

void AvFrameDeleter::operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }

Surface Surface::share() const {
  if (!frame_) return {};
  Surface copy(AvFramePtr(av_frame_clone(frame_.get())), format_);
  copy.stream_time = stream_time;
  return copy;
}

}  // namespace zc
