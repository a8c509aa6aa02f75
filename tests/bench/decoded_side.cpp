// NVDEC's pictures through the importer.
#include "bench/scene_bench.h"
#include "bench/ways.h"
#include "gpu/cuda/av_device.h"
#include "gpu/cuda/context.h"
#include "media/av_error.h"
#include "media/av_handles.h"
#include "zerocopy/cuda/cuda_target.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/vulkan/vulkan_converter.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/opt.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

namespace zc::bench {
namespace {

using nlohmann::json;

struct ContextDeleter {
  void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
};
using CodecContext = std::unique_ptr<AVCodecContext, ContextDeleter>;
struct PacketDeleter {
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};
using PacketOwner = std::unique_ptr<AVPacket, PacketDeleter>;

constexpr int kClip = 48;  ///< pictures, which are decoded again and again

struct Coding {
  const char* name;
  const char* encoder;
  AVCodecID id;
};
constexpr std::array kCodings{Coding{"h264", "libx264", AV_CODEC_ID_H264}, Coding{"hevc", "libx265", AV_CODEC_ID_HEVC}};

Result<std::vector<PacketOwner>> make_clip(const Coding& coding, Size size) {
  const AVCodec* codec = avcodec_find_encoder_by_name(coding.encoder);
  if (codec == nullptr) return fail(ErrorKind::Unsupported, "make a clip", std::string("no ") + coding.encoder);
  CodecContext context(avcodec_alloc_context3(codec));
  context->width = static_cast<int>(size.width);
  context->height = static_cast<int>(size.height);
  context->pix_fmt = AV_PIX_FMT_YUV420P;
  context->time_base = {1, 60};
  context->gop_size = kClip;
  context->max_b_frames = 0;
  context->bit_rate = 40'000'000;
  av_opt_set(context->priv_data, "preset", "ultrafast", 0);
  av_opt_set(context->priv_data, "x265-params", "log-level=error", 0);
  if (const int code = avcodec_open2(context.get(), codec, nullptr); code < 0) {
    return fail_ffmpeg(ErrorKind::Unsupported, code, "make a clip");
  }
  AvFramePtr frame(av_frame_alloc());
  frame->format = context->pix_fmt;
  frame->width = context->width;
  frame->height = context->height;
  if (av_frame_get_buffer(frame.get(), 0) < 0) return fail(ErrorKind::Busy, "make a clip", "no memory");
  std::vector<PacketOwner> packets;
  const auto take = [&] {
    for (;;) {
      PacketOwner packet(av_packet_alloc());
      if (avcodec_receive_packet(context.get(), packet.get()) < 0) return;
      packets.push_back(std::move(packet));
    }
  };
  for (int n = 0; n < kClip; ++n) {
    if (av_frame_make_writable(frame.get()) < 0) return fail(ErrorKind::Busy, "make a clip", "no memory");
    for (int plane = 0; plane < 3; ++plane) {
      const int shift = plane == 0 ? 0 : 1;
      for (int y = 0; y < frame->height >> shift; ++y) {
        std::uint8_t* row = frame->data[plane] + static_cast<std::ptrdiff_t>(y) * frame->linesize[plane];
        for (int x = 0; x < frame->width >> shift; ++x) {
          row[x] = static_cast<std::uint8_t>(60 + ((x + 7 * n) / 8 + y / 4 + 40 * plane) % 120);
        }
      }
    }
    frame->pts = n;
    if (avcodec_send_frame(context.get(), frame.get()) < 0) break;
    take();
  }
  avcodec_send_frame(context.get(), nullptr);
  take();
  return packets;
}

AVPixelFormat only_cuda(AVCodecContext* /*context*/, const AVPixelFormat* offered) {
  for (; *offered != AV_PIX_FMT_NONE; ++offered) {
    if (*offered == AV_PIX_FMT_CUDA) return AV_PIX_FMT_CUDA;
  }
  return AV_PIX_FMT_NONE;
}

/// The clip without an end.
class Decoder {
 public:
  static Result<std::unique_ptr<Decoder>> open(const Coding& coding, AVBufferRef& device,
                                               const std::vector<PacketOwner>& clip) {
    std::unique_ptr<Decoder> self(new Decoder(clip));
    const AVCodec* codec = avcodec_find_decoder(coding.id);
    self->context_.reset(avcodec_alloc_context3(codec));
    self->context_->hw_device_ctx = av_buffer_ref(&device);
    self->context_->get_format = only_cuda;
    self->context_->extra_hw_frames = 8;
    self->context_->thread_count = 1;
    if (const int code = avcodec_open2(self->context_.get(), codec, nullptr); code < 0) {
      return fail_ffmpeg(ErrorKind::Unsupported, code, "open NVDEC");
    }
    return self;
  }
  [[nodiscard]] Result<AvFramePtr> next() {
    for (int tries = 0; tries < 4 * kClip; ++tries) {
      AvFramePtr frame(av_frame_alloc());
      int code = avcodec_receive_frame(context_.get(), frame.get());
      if (code == 0) return frame;
      if (code == AVERROR_EOF) {
        avcodec_flush_buffers(context_.get());
        at_ = 0;
      } else if (code != AVERROR(EAGAIN)) {
        return fail_ffmpeg(ErrorKind::Unsupported, code, "decode with NVDEC");
      }
      code = avcodec_send_packet(context_.get(), at_ < clip_.size() ? clip_[at_].get() : nullptr);
      ++at_;
      if (code < 0 && code != AVERROR(EAGAIN)) return fail_ffmpeg(ErrorKind::Unsupported, code, "decode with NVDEC");
    }
    return fail(ErrorKind::Unsupported, "decode with NVDEC", "no picture comes");
  }

 private:
  explicit Decoder(const std::vector<PacketOwner>& clip) : clip_(clip) {}
  const std::vector<PacketOwner>& clip_;
  std::size_t at_ = 0;
  CodecContext context_;
};

Frame frame_of(AvFramePtr picture, Size size) {
  auto image = std::make_shared<DeviceImage>();
  image->memory = MemoryKind::Cuda;
  image->format = PixelFormat::NV12;
  image->size = size;
  image->frame = std::move(picture);
  Frame frame;
  frame.image = std::shared_ptr<const DeviceImage>(std::move(image));
  frame.colour = kBt709Limited;
  frame.damage = Damage::all();
  return frame;
}

/// Pixels in host memory, which are brought over once.
struct Still {
  std::vector<std::byte> pixels;
  Layer layer;
};
Still still(std::uint32_t id, PixelFormat format, const Rect& box) {
  Still s;
  s.pixels.resize(box.size().area() * 4);
  for (std::size_t i = 0; i < s.pixels.size(); ++i) s.pixels[i] = static_cast<std::byte>(i / 7);
  auto frame = std::make_shared<Frame>();
  HostImage image{.format = format, .size = box.size(), .planes = {}, .mapping = nullptr};
  image.planes[0] = {s.pixels.data(), box.width * 4};
  frame->image = image;
  s.layer = {.id = id, .place = {.box = box, .opacity = 255}, .picture = std::move(frame)};
  return s;
}

/// Samples of the surface's upper left corner, where no layer is, that are not the decoded picture's.
std::size_t wrong_samples(const Surface& surface, const AVFrame& decoded, Size corner) {
  std::size_t wrong = 0;
  AvFramePtr got(av_frame_alloc());
  AvFramePtr want(av_frame_alloc());
  if (av_hwframe_transfer_data(got.get(), surface.av_frame(), 0) < 0 ||
      av_hwframe_transfer_data(want.get(), &decoded, 0) < 0) {
    return corner.area();
  }
  for (int plane = 0; plane < 2; ++plane) {
    for (std::uint32_t y = 0; y < corner.height >> static_cast<unsigned>(plane); ++y) {
      const auto row = static_cast<std::ptrdiff_t>(y);
      for (std::uint32_t x = 0; x < corner.width; ++x) {
        if (got->data[plane][row * got->linesize[plane] + x] != want->data[plane][row * want->linesize[plane] + x]) {
          ++wrong;
        }
      }
    }
  }
  return wrong;
}

Result<json> bench_coding(const std::shared_ptr<VulkanDevice>& device,
                          const std::shared_ptr<const cuda::Context>& context, const Coding& coding, Size size,
                          int pictures) {
  auto av_device = cuda::make_av_device(context);
  if (!av_device) return std::unexpected(std::move(av_device.error()));
  const auto clip = make_clip(coding, size);
  if (!clip) return std::unexpected(clip.error());
  auto decoder = Decoder::open(coding, **av_device, *clip);
  if (!decoder) return std::unexpected(std::move(decoder.error()));

  Gpu gpu{.device = device, .converters = {}, .encoder_device = context, .make_target = {}};
  auto composer = make_vulkan_composer(device);
  if (!composer) return std::unexpected(std::move(composer.error()));
  gpu.converters.push_back(std::move(*composer));
  const auto counters = std::make_shared<CudaCounters>();
  gpu.make_target = [&](const SurfaceFormat& format, std::size_t limit) {
    return make_cuda_target(device, context, format, limit, counters);
  };
  const auto importer = make_gpu_importer(std::move(gpu), {.strict = true});
  const SurfaceFormat format{
      .format = PixelFormat::NV12, .size = size, .colour = kBt709Limited, .memory = MemoryKind::Cuda};
  if (auto ready = importer->configure(format); !ready) return std::unexpected(std::move(ready.error()));

  const auto w = static_cast<std::int32_t>(size.width);
  const auto h = static_cast<std::int32_t>(size.height);
  const Still window = still(1, PixelFormat::BGRx, {w / 10 * 2, h / 4 * 2 - 2, size.width / 3, size.height / 3});
  const Still logo = still(2, PixelFormat::BGRA, {w * 8 / 10, h / 50, size.width / 6, size.height / 14});
  Layer inset{.id = 3,
              .place = {.box = {w * 74 / 100, h * 74 / 100, size.width / 4, size.height / 4},
                        .opacity = 255,
                        .radius = size.height / 90},
              .picture = nullptr};

  std::vector<double> decode_us;
  std::vector<double> import_us;
  const auto since = [](Nanoseconds start) { return static_cast<double>((monotonic_now() - start).count()) / 1e3; };
  const auto run = [&](int count) -> Result<std::size_t> {
    std::size_t wrong = 0;
    for (int i = 0; i < count; ++i) {
      Nanoseconds start = monotonic_now();
      auto picture = (*decoder)->next();
      if (!picture) return std::unexpected(std::move(picture.error()));
      AvFramePtr other(av_frame_clone(picture->get()));
      AvFramePtr again(av_frame_clone(picture->get()));
      decode_us.push_back(since(start));
      start = monotonic_now();
      inset.picture = std::make_shared<const Frame>(frame_of(std::move(other), size));
      importer->set_layers({window.layer, logo.layer, inset});
      auto surface = importer->import(frame_of(std::move(*picture), size));
      if (!surface) return std::unexpected(std::move(surface.error()));
      import_us.push_back(since(start));
      if (i % 20 == 0) wrong += wrong_samples(*surface, *again, {size.width / 10, size.height / 10});
    }
    return wrong;
  };
  if (const auto warm = run(8); !warm) return std::unexpected(warm.error());
  decode_us.clear();
  import_us.clear();
  const std::uint64_t bytes = device->counters().uploaded_bytes;
  const std::uint64_t submissions = device->counters().submissions;
  const Nanoseconds start = monotonic_now();
  const auto wrong = run(pictures);
  if (!wrong) return std::unexpected(wrong.error());
  const double each = since(start) / pictures;
  return json{{"pictures", pictures},
              {"route", std::string(importer->route())},
              {"decode_median_us", quantile(decode_us, 0.5)},
              {"to_surface_median_us", quantile(import_us, 0.5)},
              {"to_surface_p95_us", quantile(import_us, 0.95)},
              {"all_us_per_picture", each},
              {"submissions_per_picture", static_cast<double>(device->counters().submissions - submissions) / pictures},
              {"bytes_over_the_bus", device->counters().uploaded_bytes - bytes},
              {"pictures_uploaded", counters->uploads.load()},
              {"wrong_samples", *wrong}};
}

}  // namespace

json bench_decoded(const std::shared_ptr<VulkanDevice>& device, Size size, int pictures) {
  const auto context = cuda::open_context(device->gpu().uuid);
  if (!context) return {{"reason", context.error().message()}};
  json out{{"width", size.width}, {"height", size.height}};
  for (const Coding& coding : kCodings) {
    const auto figures = bench_coding(device, *context, coding, size, pictures);
    out[coding.name] = figures ? *figures : json{{"reason", figures.error().message()}};
  }
  return out;
}

}  // namespace zc::bench
