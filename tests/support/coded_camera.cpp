#include "support/coded_camera.h"

#include "support/test_picture.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libavutil/opt.h>
}

#include <spa/param/format.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace zc::test {
namespace {

struct Free {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};

class Coder {
 public:
  Coder(std::uint32_t subtype, Size size) : size_(size), jpeg_(subtype == SPA_MEDIA_SUBTYPE_mjpg) {
    const AVCodec* codec = avcodec_find_encoder_by_name(jpeg_ ? "mjpeg" : "libx264");
    context_.reset(avcodec_alloc_context3(codec));
    if (!context_) throw std::runtime_error("no such encoder");
    context_->width = static_cast<int>(size.width);
    context_->height = static_cast<int>(size.height);
    context_->time_base = {1, 30};
    context_->pix_fmt = jpeg_ ? AV_PIX_FMT_YUVJ422P : AV_PIX_FMT_YUV420P;
    context_->color_range = jpeg_ ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    context_->gop_size = 10;
    context_->thread_count = 1;
    if (jpeg_) {
      context_->flags |= AV_CODEC_FLAG_QSCALE;
      context_->global_quality = 2 * FF_QP2LAMBDA;
    } else {
      av_opt_set(context_->priv_data, "preset", "ultrafast", 0);
      av_opt_set(context_->priv_data, "tune", "zerolatency", 0);
    }
    if (avcodec_open2(context_.get(), codec, nullptr) < 0) throw std::runtime_error("an encoder does not open");
  }

  std::vector<std::byte> code(const TestMark& mark) {
    const std::unique_ptr<AVFrame, Free> frame(av_frame_alloc());
    frame->format = context_->pix_fmt;
    frame->width = context_->width;
    frame->height = context_->height;
    frame->pts = next_++;
    frame->quality = context_->global_quality;
    if (av_frame_get_buffer(frame.get(), 0) < 0) throw std::runtime_error("no memory");
    std::array<PictureTarget, 3> planes;
    for (std::size_t i = 0; i < planes.size(); ++i) {
      planes.at(i) = {reinterpret_cast<std::byte*>(frame->data[i]), static_cast<std::size_t>(frame->linesize[i])};
    }
    paint_picture(jpeg_ ? PixelFormat::I422 : PixelFormat::I420, size_, mark, planes);
    const std::unique_ptr<AVPacket, Free> packet(av_packet_alloc());
    if (avcodec_send_frame(context_.get(), frame.get()) < 0 ||
        avcodec_receive_packet(context_.get(), packet.get()) < 0) {
      throw std::runtime_error("an encoder gives nothing");
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(packet->data);
    return {bytes, bytes + packet->size};
  }

  [[nodiscard]] bool fits(std::uint32_t subtype, Size size) const {
    return size == size_ && jpeg_ == (subtype == SPA_MEDIA_SUBTYPE_mjpg);
  }

 private:
  Size size_;
  bool jpeg_;
  std::int64_t next_ = 0;
  std::unique_ptr<AVCodecContext, Free> context_;
};

}  // namespace

std::function<std::vector<std::byte>(std::uint32_t subtype, Size size, const TestMark& mark)> camera_coder() {
  auto coder = std::make_shared<std::unique_ptr<Coder>>();
  return [coder](std::uint32_t subtype, Size size, const TestMark& mark) {
    if (!*coder || !(*coder)->fits(subtype, size)) *coder = std::make_unique<Coder>(subtype, size);
    return (*coder)->code(mark);
  };
}

}  // namespace zc::test
