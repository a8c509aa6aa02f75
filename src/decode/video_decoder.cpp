#include "decode/video_decoder.h"

#include "media/av_error.h"
#include "media/av_handles.h"
#include "media/av_log.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace zc {
namespace {

struct BackendRow {
  DecoderBackend backend;
  std::string_view name;
  AVHWDeviceType device;
  AVPixelFormat memory;  ///< pictures of the device
};
constexpr std::array kRows{
    BackendRow{DecoderBackend::Software, "software", AV_HWDEVICE_TYPE_NONE, AV_PIX_FMT_NONE},
    BackendRow{DecoderBackend::Nvdec, "nvdec", AV_HWDEVICE_TYPE_CUDA, AV_PIX_FMT_CUDA},
    BackendRow{DecoderBackend::Vaapi, "vaapi", AV_HWDEVICE_TYPE_VAAPI, AV_PIX_FMT_VAAPI},
    BackendRow{DecoderBackend::Vulkan, "vulkan", AV_HWDEVICE_TYPE_VULKAN, AV_PIX_FMT_VULKAN},
};

const BackendRow& row_of(DecoderBackend backend) { return *std::ranges::find(kRows, backend, &BackendRow::backend); }

/// Which of libavcodec's decoders has this hwaccel; for AV1 its software decoder is another one.
const AVCodec* find_decoder(const BackendRow& row, AVCodecID id) {
  if (row.device == AV_HWDEVICE_TYPE_NONE) return avcodec_find_decoder(id);
  void* state = nullptr;
  while (const AVCodec* codec = av_codec_iterate(&state)) {
    if (codec->id != id || av_codec_is_decoder(codec) == 0) continue;
    for (int i = 0; const AVCodecHWConfig* config = avcodec_get_hw_config(codec, i); ++i) {
      const bool by_device = (config->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX) != 0;
      if (by_device && config->device_type == row.device && config->pix_fmt == row.memory) return codec;
    }
  }
  return nullptr;
}

/// What a decoder on a device is asked about a stream.
struct DeviceChoice {
  AVPixelFormat memory;                ///< the device's pictures
  std::optional<std::string> refusal;  ///< it does not decode this stream
};

/// "High 4:4:4 Predictive, yuv444p, 320x180"
std::string stream_text(const AVCodecContext& context) {
  const char* profile = avcodec_profile_name(context.codec_id, context.profile);
  const char* layout = av_get_pix_fmt_name(context.sw_pix_fmt);
  return fmt::format("{}{}{}, {}x{}", profile == nullptr ? "" : profile, profile == nullptr ? "" : ", ",
                     layout == nullptr ? "an unknown layout" : layout, context.width, context.height);
}

/// The device's pictures or nothing: libavcodec would go on in software otherwise. libavcodec leaves the device's out
/// where its hwaccel does not know the profile, and asks again without it where the driver refused the stream.
AVPixelFormat only_device(AVCodecContext* context, const AVPixelFormat* offered) {
  auto& choice = *static_cast<DeviceChoice*>(context->opaque);
  for (; *offered != AV_PIX_FMT_NONE; ++offered) {
    if (*offered == choice.memory) return choice.memory;
  }
  choice.refusal = stream_text(*context);
  return AV_PIX_FMT_NONE;
}

/// The picture in host memory.
Result<AvFramePtr> downloaded(AvFramePtr frame) {
  if (frame->hw_frames_ctx == nullptr) return frame;
  AvFramePtr host(av_frame_alloc());
  if (!host) return fail_codec(AVERROR(ENOMEM), "read a decoded picture");
  int code = av_hwframe_transfer_data(host.get(), frame.get(), 0);
  if (code >= 0) code = av_frame_copy_props(host.get(), frame.get());
  if (code < 0) return fail_codec(code, "read a decoded picture");
  // A transfer gives the size of the device's memory, which is a whole number of blocks.
  host->width = frame->width;
  host->height = frame->height;
  return host;
}

}  // namespace

struct VideoDecoder::Impl {
  explicit Impl(const BackendRow& backend_row) : row(backend_row), choice{backend_row.memory, std::nullopt} {}
  [[nodiscard]] std::unexpected<Error> error(int code, const AvLogCapture& log) const;

  const BackendRow& row;
  DeviceChoice choice;  ///< of only_device()
  bool on_device = false;
  AvCodecContextPtr context;
  AvPacketPtr packet;  ///< for bytes without one
};

std::unexpected<Error> VideoDecoder::Impl::error(int code, const AvLogCapture& log) const {
  // libavcodec's own answer then is -1, which reads as "Operation not permitted".
  if (!choice.refusal) return fail_codec(code, "decode", log.text());
  return fail(ErrorKind::Unsupported, fmt::format("decode {} with {}", avcodec_get_name(context->codec_id), row.name),
              fmt::format("the device or its driver does not decode this stream ({}){}{}", *choice.refusal,
                          log.lines().empty() ? "" : ": ", log.text()));
}

std::string_view to_string(DecoderBackend backend) { return row_of(backend).name; }

std::string_view VideoDecoder::find(DecoderBackend backend, AVCodecID codec) {
  const AVCodec* decoder = find_decoder(row_of(backend), codec);
  return decoder == nullptr ? std::string_view() : decoder->name;
}

Result<std::unique_ptr<VideoDecoder>> VideoDecoder::open(DecoderBackend backend, AVCodecID codec,
                                                         const DecoderOptions& options) {
  const BackendRow& row = row_of(backend);
  const AVCodec* decoder = find_decoder(row, codec);
  if (decoder == nullptr) {
    return fail(ErrorKind::Unsupported, fmt::format("decode {} with {}", avcodec_get_name(codec), row.name),
                fmt::format("this FFmpeg has no {} decoder for {}", row.name, avcodec_get_name(codec)));
  }
  const AvLogCapture log;
  const auto failed = [&](int code, std::string_view what = {}) {
    auto failure = fail_codec(code, fmt::format("decode {} with {}", avcodec_get_name(codec), row.name), log.text());
    failure.error().kind = ErrorKind::Unsupported;
    failure.error().detail.insert(0, what);
    return failure;
  };
  auto impl = std::make_unique<Impl>(row);
  impl->context.reset(avcodec_alloc_context3(decoder));
  AVCodecContext* context = impl->context.get();
  if (context == nullptr) return failed(AVERROR(ENOMEM));
  impl->on_device = options.on_device;
  const bool hardware = row.device != AV_HWDEVICE_TYPE_NONE;
  context->thread_count = hardware ? 1 : static_cast<int>(options.threads);
  if (options.quiet) context->log_level_offset = AV_LOG_DEBUG - AV_LOG_ERROR;
  if (options.live) {
    context->flags |= AV_CODEC_FLAG_LOW_DELAY;
    context->thread_type = FF_THREAD_SLICE;
  }
  if (options.stream != nullptr) {
    if (const int code = avcodec_parameters_to_context(context, options.stream); code < 0) return failed(code);
  } else {
    const std::span<const std::byte> headers = options.extradata;
    context->extradata = static_cast<std::uint8_t*>(av_mallocz(headers.size() + AV_INPUT_BUFFER_PADDING_SIZE));
    if (context->extradata == nullptr) return failed(AVERROR(ENOMEM));
    if (!headers.empty()) std::memcpy(context->extradata, headers.data(), headers.size());
    context->extradata_size = static_cast<int>(headers.size());
  }
  if (hardware) {
    const char* name = options.device.empty() ? nullptr : options.device.c_str();
    // CUDA's primary context is the one that importers and encoders use: its pictures need not be copied for them.
    // Where somebody has it with other flags, FFmpeg takes one of its own.
    constexpr int kPrimary = 1;  // AV_CUDA_USE_PRIMARY_CONTEXT of hwcontext_cuda.h, which wants cuda.h
    int code = av_hwdevice_ctx_create(&context->hw_device_ctx, row.device, name, nullptr,
                                      row.device == AV_HWDEVICE_TYPE_CUDA ? kPrimary : 0);
    if (code < 0) code = av_hwdevice_ctx_create(&context->hw_device_ctx, row.device, name, nullptr, 0);
    if (code < 0) return failed(code, "its device cannot be opened: ");
    context->opaque = &impl->choice;
    context->get_format = only_device;
    if (options.on_device) context->extra_hw_frames = static_cast<int>(options.held);
  }
  if (const int code = avcodec_open2(context, decoder, nullptr); code < 0) return failed(code);
  return std::unique_ptr<VideoDecoder>(new VideoDecoder(std::move(impl)));
}

VideoDecoder::VideoDecoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VideoDecoder::~VideoDecoder() = default;

std::string_view VideoDecoder::name() const { return impl_->context->codec->name; }
DecoderBackend VideoDecoder::backend() const { return impl_->row.backend; }
const AVCodecContext& VideoDecoder::context() const { return *impl_->context; }

Result<void> VideoDecoder::send(const AVPacket& packet) {
  AvLogCapture log;
  const int code = avcodec_send_packet(impl_->context.get(), &packet);
  if (code < 0) return impl_->error(code, log);
  log.pass_on();
  return {};
}

Result<void> VideoDecoder::send(std::span<const std::byte> bytes, std::int64_t stamp) {
  if (!impl_->packet) impl_->packet.reset(av_packet_alloc());
  AVPacket* packet = impl_->packet.get();
  if (packet == nullptr) return fail_codec(AVERROR(ENOMEM), "decode");
  av_packet_unref(packet);
  // Copied into memory with the padding that decoders read beyond the end.
  if (const int code = av_new_packet(packet, static_cast<int>(bytes.size())); code < 0) {
    return fail_codec(code, "decode");
  }
  if (!bytes.empty()) std::memcpy(packet->data, bytes.data(), bytes.size());
  packet->pts = stamp;
  return send(*packet);
}

Result<void> VideoDecoder::drain() {
  const int code = avcodec_send_packet(impl_->context.get(), nullptr);
  if (code < 0 && code != AVERROR_EOF) return fail_codec(code, "decode");
  return {};
}

Result<AvFramePtr> VideoDecoder::receive() {
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_codec(AVERROR(ENOMEM), "decode");
  AvLogCapture log;
  const int code = avcodec_receive_frame(impl_->context.get(), frame.get());
  const bool nothing = code == AVERROR(EAGAIN) || code == AVERROR_EOF;
  if (code < 0 && !nothing) return impl_->error(code, log);
  log.pass_on();
  if (nothing) return AvFramePtr();
  if (impl_->on_device) return frame;
  return downloaded(std::move(frame));
}

}  // namespace zc
