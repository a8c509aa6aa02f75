#include "zerocopy/vaapi/vaapi_pool.h"

#include "media/av_log.h"
#include "media/av_words.h"
#include "zerocopy/surface_frame.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <utility>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc {
namespace {

constexpr const char* kOperation = "make surfaces in VA-API memory";

}  // namespace

Result<std::unique_ptr<VaapiPool>> VaapiPool::create(const SurfaceFormat& format, std::size_t limit,
                                                     const vaapi::Device& device) {
  const AVPixelFormat layout = av_pixel_format(format.format);
  if (layout == AV_PIX_FMT_NONE) {
    return fail(ErrorKind::Unsupported, kOperation, fmt::format("{} surfaces", name(format.format)));
  }
  const auto av_device = device.av_device();
  if (!av_device) return std::unexpected(av_device.error());
  AvBufferPtr frames(av_hwframe_ctx_alloc(av_device->get()));
  if (!frames) return fail_errno(ENOMEM, kOperation);
  auto& context = *reinterpret_cast<AVHWFramesContext*>(frames->data);
  context.format = AV_PIX_FMT_VAAPI;
  context.sw_format = layout;
  context.width = static_cast<int>(format.size.width);
  context.height = static_cast<int>(format.size.height);
  const AvLogCapture log;
  if (const int code = av_hwframe_ctx_init(frames.get()); code < 0) {
    return std::unexpected(Error{ErrorKind::Unsupported, ErrorDomain::FFmpeg, code, kOperation,
                                 fmt::format("{} has no {} surfaces of {}x{}: {}", device.vendor(), name(format.format),
                                             format.size.width, format.size.height, log.text())});
  }
  return std::unique_ptr<VaapiPool>(new VaapiPool(format, std::move(frames), limit));
}

VaapiPool::VaapiPool(const SurfaceFormat& format, AvBufferPtr frames, std::size_t limit)
    : format_(format), frames_(std::move(frames)), places_(limit) {}

VaapiPool::~VaapiPool() = default;

Result<Surface> VaapiPool::take() {
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_errno(ENOMEM, kOperation);
  const AvLogCapture log;
  if (const int code = av_hwframe_get_buffer(frames_.get(), frame.get(), 0); code < 0) {
    return std::unexpected(Error{ErrorKind::Busy, ErrorDomain::FFmpeg, code, "import frame",
                                 "the GPU has no memory for a surface: " + log.text()});
  }
  return counted(std::move(frame), nullptr);
}

Result<Surface> VaapiPool::lend(const AVFrame& frame, BufferLease& lease) {
  AvFramePtr reference(av_frame_clone(&frame));
  if (!reference) return fail_errno(ENOMEM, kOperation);
  return counted(std::move(reference), &lease);
}

Result<Surface> VaapiPool::counted(AvFramePtr frame, BufferLease* lease) {
  if (auto seated = places_.seat(*frame, lease); !seated) return std::unexpected(std::move(seated.error()));
  describe(*frame, format_);
  return Surface(std::move(frame), format_);
}

VASurfaceID va_surface(const AVFrame& frame) {
  return static_cast<VASurfaceID>(reinterpret_cast<std::uintptr_t>(frame.data[3]));
}

}  // namespace zc
