#include "encode/hw_frames.h"

#include "encode/av_types.h"

extern "C" {
#include <libavutil/hwcontext.h>
}

namespace zc {

Result<AvBufferPtr> make_hw_frames(AVBufferRef& device, AVPixelFormat memory, AVPixelFormat layout, Size size) {
  AvBufferPtr buffer(av_hwframe_ctx_alloc(&device));
  if (!buffer) return fail_av(AVERROR(ENOMEM), "set up device pictures");
  auto& frames = *reinterpret_cast<AVHWFramesContext*>(buffer->data);
  frames.format = memory;
  frames.sw_format = layout;
  frames.width = static_cast<int>(size.width);
  frames.height = static_cast<int>(size.height);
  if (const int code = av_hwframe_ctx_init(buffer.get()); code < 0) {
    auto failure = fail_av(code, "set up device pictures");
    failure.error().kind = ErrorKind::Unsupported;
    return failure;
  }
  return buffer;
}

}  // namespace zc
