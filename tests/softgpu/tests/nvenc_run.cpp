#include "softgpu/tests/nvenc_run.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>

extern "C" {
#include <libavutil/hwcontext.h>
#include <libavutil/opt.h>
}

namespace zc::softgpu::test {
namespace {

constexpr int kChromaWidth = kWidth / 2;
constexpr int kChromaHeight = kHeight / 2;

/// Notes the first failure. True when `result` is none.
bool note(Run& run, const char* call, int result) {
  if (result >= 0) return true;
  run.error = result;
  run.failed = call;
  return false;
}

bool receive(AVCodecContext& encoder, Run& run) {
  while (true) {
    PacketPtr packet(av_packet_alloc());
    const int result = avcodec_receive_packet(&encoder, packet.get());
    if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return true;
    if (!note(run, "receive", result)) return false;
    run.packets.push_back(std::move(packet));
  }
}

/// A frame of the pool with the picture in it.
FramePtr to_device(AVBufferRef* pool, const AVFrame& picture, Run& run) {
  FramePtr frame(av_frame_alloc());
  if (!note(run, "get_buffer", av_hwframe_get_buffer(pool, frame.get(), 0))) return nullptr;
  if (!note(run, "transfer", av_hwframe_transfer_data(frame.get(), &picture, 0))) return nullptr;
  frame->pts = picture.pts;
  return frame;
}

bool open_pool(AVBufferRef* device, BufferPtr& pool, Run& run) {
  pool.reset(av_hwframe_ctx_alloc(device));
  auto* frames = reinterpret_cast<AVHWFramesContext*>(pool->data);
  frames->format = AV_PIX_FMT_CUDA;
  frames->sw_format = AV_PIX_FMT_NV12;
  frames->width = kWidth;
  frames->height = kHeight;
  return note(run, "pool", av_hwframe_ctx_init(pool.get()));
}

double psnr(const std::uint8_t* a, int a_stride, const std::uint8_t* b, int b_stride, int b_step, int width,
            int height) {
  double sum = 0;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double difference = a[y * a_stride + x] - b[y * b_stride + x * b_step];
      sum += difference * difference;
    }
  }
  return sum == 0 ? 99 : 10 * std::log10(255.0 * 255.0 * width * height / sum);
}

double psnr(const AVFrame& decoded, const AVFrame& source) {
  const double y = psnr(decoded.data[0], decoded.linesize[0], source.data[0], source.linesize[0], 1, kWidth, kHeight);
  const double u =
      psnr(decoded.data[1], decoded.linesize[1], source.data[1], source.linesize[1], 2, kChromaWidth, kChromaHeight);
  const double v = psnr(decoded.data[2], decoded.linesize[2], source.data[1] + 1, source.linesize[1], 2, kChromaWidth,
                        kChromaHeight);
  return std::min({y, u, v});
}

}  // namespace

FramePtr make_picture(int number) {
  FramePtr frame(av_frame_alloc());
  frame->format = AV_PIX_FMT_NV12;
  frame->width = kWidth;
  frame->height = kHeight;
  frame->pts = number;
  REQUIRE(av_frame_get_buffer(frame.get(), 0) == 0);
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const bool box = x / 80 == number % 8 && y / 90 == number / 8 % 4;
      frame->data[0][y * frame->linesize[0] + x] =
          static_cast<std::uint8_t>(box ? 210 : 30 + (x + 2 * y + 3 * number) % 160);
    }
  }
  for (int y = 0; y < kChromaHeight; ++y) {
    for (int x = 0; x < kChromaWidth; ++x) {
      std::uint8_t* pair = frame->data[1] + std::ptrdiff_t{y} * frame->linesize[1] + std::ptrdiff_t{2} * x;
      pair[0] = static_cast<std::uint8_t>(60 + x / 4 + number % 40);
      pair[1] = static_cast<std::uint8_t>(200 - y / 2 - number % 40);
    }
  }
  return frame;
}

Run encode(const Options& options) {
  Run run;
  BufferPtr device;
  BufferPtr pool;
  if (options.device_frames) {
    AVBufferRef* created = nullptr;
    if (!note(run, "device", av_hwdevice_ctx_create(&created, AV_HWDEVICE_TYPE_CUDA, nullptr, nullptr, 0))) return run;
    device.reset(created);
    if (!open_pool(device.get(), pool, run)) return run;
  }
  const AVCodec* codec = avcodec_find_encoder_by_name(options.codec.c_str());
  REQUIRE(codec != nullptr);
  const CodecPtr encoder(avcodec_alloc_context3(codec));
  encoder->width = kWidth;
  encoder->height = kHeight;
  encoder->time_base = {1, 30};
  encoder->framerate = {30, 1};
  encoder->pix_fmt = pool ? AV_PIX_FMT_CUDA : AV_PIX_FMT_NV12;
  encoder->bit_rate = options.bit_rate;
  encoder->gop_size = options.gop;
  encoder->max_b_frames = 0;
  encoder->color_range = AVCOL_RANGE_MPEG;
  if (options.global_header) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (pool) encoder->hw_frames_ctx = av_buffer_ref(pool.get());
  REQUIRE(av_opt_set(encoder->priv_data, "forced-idr", "1", 0) == 0);
  REQUIRE(av_opt_set(encoder->priv_data, "delay", "0", 0) == 0);
  if (!note(run, "open", avcodec_open2(encoder.get(), codec, nullptr))) return run;
  if (encoder->extradata_size > 0) {
    run.extradata.assign(encoder->extradata, encoder->extradata + encoder->extradata_size);
  }
  for (int number = 0; number < kFrames; ++number) {
    FramePtr frame = make_picture(number);
    if (pool) frame = to_device(pool.get(), *frame, run);
    if (!frame) return run;
    options.before(number, *encoder, *frame);
    if (!note(run, "send", avcodec_send_frame(encoder.get(), frame.get()))) return run;
    ++run.sent;
    if (!receive(*encoder, run)) return run;
  }
  if (!note(run, "drain", avcodec_send_frame(encoder.get(), nullptr))) return run;
  receive(*encoder, run);
  return run;
}

double lowest_psnr(const Run& run, AVCodecID codec_id) {
  const AVCodec* codec = avcodec_find_decoder(codec_id);
  REQUIRE(codec != nullptr);
  const CodecPtr decoder(avcodec_alloc_context3(codec));
  decoder->pkt_timebase = {1, 30};
  decoder->thread_count = 1;
  if (!run.extradata.empty()) {
    decoder->extradata = static_cast<std::uint8_t*>(av_mallocz(run.extradata.size() + AV_INPUT_BUFFER_PADDING_SIZE));
    std::ranges::copy(run.extradata, decoder->extradata);
    decoder->extradata_size = static_cast<int>(run.extradata.size());
  }
  REQUIRE(avcodec_open2(decoder.get(), codec, nullptr) == 0);
  double lowest = 99;
  int next = 0;
  const FramePtr decoded(av_frame_alloc());
  const auto compare = [&](const AVPacket* packet) {
    REQUIRE(avcodec_send_packet(decoder.get(), packet) == 0);
    while (avcodec_receive_frame(decoder.get(), decoded.get()) == 0) {
      lowest = decoded->pts == next ? std::min(lowest, psnr(*decoded, *make_picture(next))) : 0;
      ++next;
    }
  };
  for (const PacketPtr& packet : run.packets) compare(packet.get());
  compare(nullptr);
  return next == kFrames ? lowest : 0;
}

}  // namespace zc::softgpu::test
