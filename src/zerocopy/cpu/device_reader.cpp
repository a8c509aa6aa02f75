#include "zerocopy/cpu/device_reader.h"

#include "media/av_error.h"
#include "media/av_words.h"

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

#include <cerrno>
#include <string>

namespace zc {

Result<HostImage> DeviceReader::read(const DeviceImage& image) {
  const std::string operation = "read a picture of the GPU's memory";
  const AVFrame* frame = image.frame.get();
  if (frame == nullptr || frame->hw_frames_ctx == nullptr) return fail(ErrorKind::Invalid, operation, "it is missing");
  if (!copy_) copy_.reset(av_frame_alloc());
  if (!copy_) return fail_errno(ENOMEM, operation);
  const auto* pool = reinterpret_cast<const AVHWFramesContext*>(frame->hw_frames_ctx->data);
  const Size size{static_cast<std::uint32_t>(pool->width), static_cast<std::uint32_t>(pool->height)};
  if (pool_ != pool || size_ != size) {
    av_frame_unref(copy_.get());
    copy_->format = av_pixel_format(image.format);
    pool_ = pool;
    size_ = size;
  }
  if (const int code = av_hwframe_transfer_data(copy_.get(), frame, 0); code < 0) {
    pool_ = nullptr;
    return fail_ffmpeg(ErrorKind::Lost, code, operation);
  }
  if (copy_->format != av_pixel_format(image.format) || copy_->width < static_cast<int>(image.size.width) ||
      copy_->height < static_cast<int>(image.size.height)) {
    return fail(ErrorKind::Invalid, operation, "its layout is not the one that it is said to have");
  }
  HostImage host{.format = image.format, .size = image.size, .planes = {}, .mapping = nullptr};
  for (unsigned i = 0; i < info(image.format).planes; ++i) {
    host.planes.at(i) = {reinterpret_cast<const std::byte*>(copy_->data[i]),
                         static_cast<std::uint32_t>(copy_->linesize[i])};
  }
  return host;
}

}  // namespace zc
