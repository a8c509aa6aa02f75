#include "audio/audio_encoder.h"

#include "media/av_error.h"
#include "media/av_handles.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/frame.h>
#include <libavutil/opt.h>
}

namespace zc {
namespace {

/// 90,000 / 48,000.
constexpr std::int64_t to_ticks(std::int64_t samples) { return samples * 15 / 8; }

struct Row {
  AudioCodec codec{};
  const char* encoder = nullptr;  ///< libavcodec's name
  AVSampleFormat format = AV_SAMPLE_FMT_NONE;
  std::int64_t bits_per_channel = 0;  ///< bit/s; 0: without loss
  int frame_samples = 0;              ///< 0: the encoder says
  const char* option = nullptr;
  const char* value = nullptr;
};
constexpr std::array kRows{
    // At these bit rates a longer search takes a third more time, or as long again, and is not heard.
    Row{AudioCodec::Opus, "libopus", AV_SAMPLE_FMT_FLT, 64'000, 0, "compression_level", "5"},
    Row{AudioCodec::Aac, "aac", AV_SAMPLE_FMT_FLTP, 80'000, 0, "aac_coder", "fast"},
    Row{AudioCodec::Flac, "flac", AV_SAMPLE_FMT_S32, 0, 4096},
    Row{AudioCodec::Pcm, "pcm_s24le", AV_SAMPLE_FMT_S32, 0, 960},
};

const Row& row_of(AudioCodec codec) { return *std::ranges::find(kRows, codec, &Row::codec); }

/// What failed.
std::string encoding(AudioCodec codec) { return fmt::format("encode sound as {}", to_string(codec)); }

/// Full scale is the type's; 24 of its bits count.
std::int32_t to_s32(float sample) {
  constexpr float kFull = 8'388'608.0F;
  const float scaled = std::clamp(std::nearbyint(sample * kFull), -kFull, kFull - 1);
  return static_cast<std::int32_t>(scaled) * 256;
}

void fill(AVFrame& frame, std::span<const float> samples) {
  const auto channels = static_cast<std::size_t>(frame.ch_layout.nb_channels);
  switch (static_cast<AVSampleFormat>(frame.format)) {
    case AV_SAMPLE_FMT_FLTP:
      for (std::size_t i = 0; i < samples.size(); ++i) {
        reinterpret_cast<float*>(frame.extended_data[i % channels])[i / channels] = samples[i];
      }
      break;
    case AV_SAMPLE_FMT_S32:
      std::ranges::transform(samples, reinterpret_cast<std::int32_t*>(frame.data[0]), to_s32);
      break;
    default: std::memcpy(frame.data[0], samples.data(), samples.size_bytes()); break;
  }
}

}  // namespace

void AudioEncoder::Free::operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
void AudioEncoder::Free::operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
void AudioEncoder::Free::operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }

Result<std::unique_ptr<AudioEncoder>> AudioEncoder::open(const AudioEncoderOptions& options) {
  std::unique_ptr<AudioEncoder> made(new AudioEncoder);
  if (auto prepared = made->prepare(options); !prepared) return std::unexpected(std::move(prepared.error()));
  return made;
}

Result<void> AudioEncoder::prepare(const AudioEncoderOptions& options) {
  const Row& row = row_of(options.codec);
  const std::string operation = encoding(options.codec);
  const AVCodec* codec = avcodec_find_encoder_by_name(row.encoder);
  if (codec == nullptr) {
    return fail(ErrorKind::Unsupported, operation, fmt::format("this FFmpeg has no encoder {}", row.encoder));
  }
  context_.reset(avcodec_alloc_context3(codec));
  frame_.reset(av_frame_alloc());
  coded_.reset(av_packet_alloc());
  if (!context_ || !frame_ || !coded_) return fail_errno(ENOMEM, operation);
  AVCodecContext& context = *context_;
  const auto channels = static_cast<std::int64_t>(AudioFormat{.layout = options.layout}.channels());
  context.sample_fmt = row.format;
  context.sample_rate = static_cast<int>(kAudioRate);
  context.time_base = {1, static_cast<int>(kAudioRate)};
  if (const int result = av_channel_layout_from_mask(&context.ch_layout, options.layout); result < 0) {
    return fail_ffmpeg(ErrorKind::Unsupported, result, operation);
  }
  context.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (row.bits_per_channel != 0) {
    context.bit_rate = options.bit_rate != 0 ? options.bit_rate : row.bits_per_channel * channels;
  } else {
    context.bits_per_raw_sample = 24;
  }
  if (row.frame_samples != 0) context.frame_size = row.frame_samples;
  AvOptions given;
  if (row.option != nullptr) given.set(row.option, row.value);
  if (const int result = avcodec_open2(&context, codec, given.get()); result < 0) {
    return fail_ffmpeg(ErrorKind::Unsupported, result, operation,
                       fmt::format("{} does not take {} channels at {} bit/s: {}", row.encoder, channels,
                                   context.bit_rate, av_error_text(result)));
  }
  const int samples = context.frame_size != 0 ? context.frame_size : row.frame_samples;
  stream_ = {.codec = options.codec,
             .layout = options.layout,
             .bit_rate = row.bits_per_channel == 0 ? 0 : context.bit_rate,
             .bit_depth = row.bits_per_channel == 0 ? 24U : 0U,
             .frame_samples = static_cast<std::size_t>(samples),
             .priming = static_cast<std::size_t>(std::max(context.initial_padding, 0)),
             .extradata = {},
             .title = options.title};
  const auto* extra = reinterpret_cast<const std::byte*>(context.extradata);
  stream_.extradata.assign(extra, extra + context.extradata_size);
  frame_->format = row.format;
  frame_->sample_rate = context.sample_rate;
  frame_->nb_samples = samples;
  if (const int result = av_channel_layout_copy(&frame_->ch_layout, &context.ch_layout); result < 0) {
    return fail_ffmpeg(ErrorKind::Internal, result, operation);
  }
  if (const int result = av_frame_get_buffer(frame_.get(), 0); result < 0) {
    return fail_ffmpeg(ErrorKind::Internal, result, operation);
  }
  return {};
}

Result<void> AudioEncoder::submit(std::int64_t position, std::span<const float> samples) {
  const std::size_t count = samples.size() / static_cast<std::size_t>(context_->ch_layout.nb_channels);
  if (count == 0 || count > stream_.frame_samples) {
    return fail(ErrorKind::Internal, encoding(stream_.codec), fmt::format("{} samples at once", count));
  }
  // The encoder may still hold the last one.
  if (const int result = av_frame_make_writable(frame_.get()); result < 0) {
    return fail_ffmpeg(ErrorKind::Internal, result, encoding(stream_.codec));
  }
  // A last frame is filled up: what encoders make of a short one would have to be told to every container.
  std::span<const float> whole = samples;
  if (count < stream_.frame_samples) {
    filled_.assign(stream_.frame_samples * static_cast<std::size_t>(context_->ch_layout.nb_channels), 0.0F);
    std::ranges::copy(samples, filled_.begin());
    whole = filled_;
  }
  fill(*frame_, whole);
  frame_->pts = position;
  if (const int result = avcodec_send_frame(context_.get(), frame_.get()); result < 0) {
    return fail_ffmpeg(ErrorKind::Internal, result, encoding(stream_.codec));
  }
  return {};
}

Result<std::optional<Packet>> AudioEncoder::receive() {
  int result = avcodec_receive_packet(context_.get(), coded_.get());
  // FLAC's last packet is empty: it has a checksum for a header that was written long ago.
  if (result >= 0 && coded_->size == 0) result = avcodec_receive_packet(context_.get(), coded_.get());
  if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return std::nullopt;
  if (result < 0) {
    return fail_ffmpeg(ErrorKind::Internal, result, encoding(stream_.codec));
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(coded_->data);
  AvBufferPtr buffer(av_buffer_ref(coded_->buf));
  if (!buffer) return fail_errno(ENOMEM, "encode sound");
  Packet packet(std::move(buffer), std::span(bytes, static_cast<std::size_t>(coded_->size)));
  packet.pts = packet.dts = to_ticks(coded_->pts);
  packet.duration = to_ticks(coded_->duration);
  av_packet_unref(coded_.get());
  return packet;
}

Result<void> AudioEncoder::drain() {
  if (const int result = avcodec_send_frame(context_.get(), nullptr); result < 0) {
    return fail_ffmpeg(ErrorKind::Internal, result, encoding(stream_.codec));
  }
  return {};
}

}  // namespace zc
