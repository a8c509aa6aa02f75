#include "gpu/cuda/av_device.h"

#include "media/av_error.h"

// hwcontext_cuda.h wants cuda.h unless something that defines CUDA_VERSION came before.
#include <ffnvcodec/dynlink_cuda.h>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/error.h>
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_cuda.h>
}

namespace zc::cuda {
namespace {

using ContextOwner = std::shared_ptr<const Context>;

std::unexpected<Error> fail_av(int code) {
  return fail_ffmpeg(ErrorKind::Unsupported, code, "hand the CUDA context to FFmpeg");
}

}  // namespace

Result<AvBufferPtr> make_av_device(std::shared_ptr<const Context> context) {
  AvBufferPtr buffer(av_hwdevice_ctx_alloc(AV_HWDEVICE_TYPE_CUDA));
  if (!buffer) return fail_av(AVERROR(ENOSYS));
  auto* device = reinterpret_cast<AVHWDeviceContext*>(buffer->data);
  static_cast<AVCUDADeviceContext*>(device->hwctx)->cuda_ctx = context->handle();
  // FFmpeg calls this once its own work on the context is over.
  device->free = [](AVHWDeviceContext* gone) { delete static_cast<ContextOwner*>(gone->user_opaque); };
  device->user_opaque = new ContextOwner(std::move(context));
  if (const int code = av_hwdevice_ctx_init(buffer.get()); code < 0) return fail_av(code);
  return buffer;
}

Result<AvBufferPtr> Context::av_device() const { return make_av_device(shared_from_this()); }

std::shared_ptr<const Context> context_of(const AVBufferRef& frames) {
  const auto* context = reinterpret_cast<const AVHWFramesContext*>(frames.data);
  return *static_cast<const ContextOwner*>(context->device_ctx->user_opaque);
}

Result<void> finish_copies(const AVBufferRef& frames) { return synchronize(*context_of(frames)); }

}  // namespace zc::cuda
