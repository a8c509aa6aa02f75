#include "media_support.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string_view>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
}

/// libx265 3.5 never frees some copies of its parameters.
// NOLINTBEGIN(readability-identifier-naming): the sanitizers' interface
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libx265\n"; }
/// Inside libraries that are not instrumented, between their own threads.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:libsrt\ndeadlock:libsrt\nmutex:libsrt\nrace:libSvtAv1Enc\n";
}
// NOLINTEND(readability-identifier-naming)

namespace zc::test {
namespace {

struct ContextFree {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
struct PacketFree {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
struct FrameFree {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct InputClose {
  void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
};
using ContextPtr = std::unique_ptr<AVCodecContext, ContextFree>;
using PacketPtr = std::unique_ptr<AVPacket, PacketFree>;
using FramePtr = std::unique_ptr<AVFrame, FrameFree>;

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

const char* encoder_name(Codec codec) {
  switch (codec) {
    case Codec::H264: return "libx264";
    case Codec::HEVC: return "libx265";
    case Codec::AV1: return "libsvtav1";
  }
  return "";
}

void set_encoder_options(AVCodecContext& context, const StreamOptions& options) {
  switch (options.codec) {
    case Codec::H264:
      av_opt_set(context.priv_data, "preset", "ultrafast", 0);
      av_opt_set(context.priv_data, "crf", "23", 0);
      // A decoder given half a picture must say so instead of hiding it.
      av_opt_set(context.priv_data, "x264-params", "scenecut=0:slices=1", 0);
      break;
    case Codec::HEVC:
      av_opt_set(context.priv_data, "preset", "ultrafast", 0);
      av_opt_set(context.priv_data, "x265-params", "log-level=error:pools=none:frame-threads=1", 0);
      break;
    case Codec::AV1: av_opt_set(context.priv_data, "preset", "12", 0); break;
  }
}

void paint(AVFrame& frame, unsigned n, unsigned noise, std::minstd_rand& random) {
  for (int plane = 0; plane < 3; ++plane) {
    const int width = plane == 0 ? frame.width : (frame.width + 1) / 2;
    const int height = plane == 0 ? frame.height : (frame.height + 1) / 2;
    for (int y = 0; y < height; ++y) {
      std::uint8_t* row = frame.data[plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[plane];
      for (int x = 0; x < width; ++x) {
        const unsigned base = static_cast<unsigned>(x + y) + n * 3;
        row[x] = static_cast<std::uint8_t>(32 + (base % 160) + (noise != 0 ? random() % noise : 0));
      }
    }
  }
}

void collect(AVCodecContext& context, AVPacket& av, TestStream& stream) {
  while (avcodec_receive_packet(&context, &av) == 0) {
    Packet packet(AvBufferPtr(av_buffer_ref(av.buf)),
                  {reinterpret_cast<const std::byte*>(av.data), static_cast<std::size_t>(av.size)});
    packet.pts = av.pts;
    packet.dts = av.dts;
    packet.keyframe = (av.flags & AV_PKT_FLAG_KEY) != 0;
    stream.packets.push_back(std::move(packet));
    av_packet_unref(&av);
  }
}

int stop_requested(void* flag) { return flag != nullptr && static_cast<std::atomic<bool>*>(flag)->load() ? 1 : 0; }

}  // namespace

TestStream make_stream(const StreamOptions& options) {
  av_log_set_level(AV_LOG_FATAL);  // torn files are what some tests are about; decode errors are counted
  const AVCodec* codec = avcodec_find_encoder_by_name(encoder_name(options.codec));
  require(codec != nullptr, "this test needs FFmpeg's libx264, libx265 and libsvtav1");
  const ContextPtr context(avcodec_alloc_context3(codec));
  context->width = static_cast<int>(options.size.width);
  context->height = static_cast<int>(options.size.height);
  context->pix_fmt = AV_PIX_FMT_YUV420P;
  context->time_base = {1, static_cast<int>(kPacketClock)};
  context->framerate = {60, 1};
  context->gop_size = static_cast<int>(options.gop);
  context->max_b_frames = options.b_frames ? 2 : 0;
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  context->colorspace = AVCOL_SPC_BT709;
  context->color_primaries = AVCOL_PRI_BT709;
  context->color_trc = AVCOL_TRC_BT709;
  context->color_range = AVCOL_RANGE_MPEG;
  set_encoder_options(*context, options);
  require(avcodec_open2(context.get(), codec, nullptr) == 0, "the encoder did not open");

  TestStream stream;
  stream.parameters.codec = options.codec;
  stream.parameters.size = options.size;
  stream.parameters.profile = context->profile;
  stream.parameters.level = context->level;
  stream.parameters.colour = kBt709Limited;
  stream.parameters.has_b_frames = options.b_frames;
  const auto* extradata = reinterpret_cast<const std::byte*>(context->extradata);
  stream.parameters.extradata.assign(extradata, extradata + context->extradata_size);

  const FramePtr frame(av_frame_alloc());
  frame->format = AV_PIX_FMT_YUV420P;
  frame->width = context->width;
  frame->height = context->height;
  require(av_frame_get_buffer(frame.get(), 0) == 0, "out of memory");
  const PacketPtr packet(av_packet_alloc());
  std::minstd_rand random(options.frames);  // NOLINT(*-msc51-cpp): the same pictures every time
  for (unsigned n = 0; n < options.frames; ++n) {
    require(av_frame_make_writable(frame.get()) == 0, "out of memory");
    paint(*frame, n, options.noise, random);
    frame->pts = options.pts(n);
    require(avcodec_send_frame(context.get(), frame.get()) == 0, "the encoder refused a frame");
    collect(*context, *packet, stream);
  }
  avcodec_send_frame(context.get(), nullptr);
  collect(*context, *packet, stream);
  require(stream.packets.size() == options.frames, "the encoder lost a frame");
  return stream;
}

ReadMedia read_media(const std::string& url, const ReadOptions& options) {
  ReadMedia media;
  AVFormatContext* raw = avformat_alloc_context();
  raw->interrupt_callback = {&stop_requested, options.stop};
  AVDictionary* dict = nullptr;
  for (const auto& [key, value] : options.options) av_dict_set(&dict, key.c_str(), value.c_str(), 0);
  const AVInputFormat* forced = options.format.empty() ? nullptr : av_find_input_format(options.format.c_str());
  const int opened = avformat_open_input(&raw, url.c_str(), forced, &dict);
  av_dict_free(&dict);
  if (opened < 0) {
    char text[AV_ERROR_MAX_STRING_SIZE] = {};
    av_strerror(opened, text, sizeof text);
    media.error = text;
    return media;
  }
  const std::unique_ptr<AVFormatContext, InputClose> input(raw);
  const bool known = avformat_find_stream_info(input.get(), nullptr) >= 0;
  const int pictures = known ? av_find_best_stream(input.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0) : -1;
  if (pictures < 0) {
    media.error = "no stream found";
    return media;
  }
  const AVStream* stream = input->streams[pictures];
  const AVCodecParameters* codec = stream->codecpar;
  media.format = input->iformat->name;
  media.codec_id = codec->codec_id;
  media.size = {static_cast<std::uint32_t>(codec->width), static_cast<std::uint32_t>(codec->height)};
  media.has_extradata = codec->extradata_size > 0;
  media.matrix = codec->color_space;
  media.primaries = codec->color_primaries;
  media.transfer = codec->color_trc;
  media.range = codec->color_range;
  media.frame_rate = av_q2d(stream->avg_frame_rate);
  media.duration = input->duration > 0 ? static_cast<double>(input->duration) / AV_TIME_BASE : 0;

  const ContextPtr decoder(avcodec_alloc_context3(avcodec_find_decoder(codec->codec_id)));
  avcodec_parameters_to_context(decoder.get(), codec);
  decoder->thread_count = 1;
  decoder->err_recognition = AV_EF_EXPLODE;
  decoder->pkt_timebase = stream->time_base;
  require(avcodec_open2(decoder.get(), nullptr, nullptr) == 0, "the decoder did not open");
  const AVRational clock{1, static_cast<int>(kPacketClock)};
  const FramePtr frame(av_frame_alloc());
  const PacketPtr packet(av_packet_alloc());
  const auto decode = [&](const AVPacket* input_packet) {
    if (avcodec_send_packet(decoder.get(), input_packet) < 0) ++media.decode_errors;
    while (true) {
      const int code = avcodec_receive_frame(decoder.get(), frame.get());
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) break;
      if (code < 0 || frame->decode_error_flags != 0) {
        ++media.decode_errors;
        if (code < 0) break;
        continue;
      }
      media.frame_pts.push_back(av_rescale_q(frame->best_effort_timestamp, stream->time_base, clock));
    }
  };
  while (media.packets.size() < options.max_packets && av_read_frame(input.get(), packet.get()) >= 0) {
    if (packet->stream_index != pictures) {
      av_packet_unref(packet.get());
      continue;
    }
    media.packets.push_back({av_rescale_q(packet->pts, stream->time_base, clock),
                             av_rescale_q(packet->dts, stream->time_base, clock),
                             (packet->flags & AV_PKT_FLAG_KEY) != 0, static_cast<std::size_t>(packet->size),
                             std::hash<std::string_view>{}({reinterpret_cast<const char*>(packet->data),
                                                            static_cast<std::size_t>(packet->size)})});
    decode(packet.get());
    if (options.read != nullptr) ++*options.read;
    av_packet_unref(packet.get());
  }
  decode(nullptr);
  return media;
}

std::string top_level_boxes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto number = [&](std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8U | static_cast<unsigned char>(bytes.at(at + i));
    return value;
  };
  std::string types;
  for (std::size_t at = 0; at < bytes.size();) {
    if (!types.empty()) types += ' ';
    if (bytes.size() - at < 16) return types + "?";  // none is this short
    const std::uint64_t size = number(at, 4) == 1 ? number(at + 8, 8) : number(at, 4);
    if (size < 8 || size > bytes.size() - at) return types + "?";
    types += bytes.substr(at + 4, 4);
    at += static_cast<std::size_t>(size);
  }
  return types;
}

std::vector<std::int64_t> seek_points(const std::string& path) {
  AVFormatContext* raw = nullptr;
  if (avformat_open_input(&raw, path.c_str(), nullptr, nullptr) < 0) return {};
  const std::unique_ptr<AVFormatContext, InputClose> input(raw);
  avformat_find_stream_info(input.get(), nullptr);
  AVStream* stream = input->streams[0];
  // Matroska's cues are read when they are first needed.
  av_seek_frame(input.get(), 0, av_rescale_q(1, {1, 1}, stream->time_base), AVSEEK_FLAG_BACKWARD);
  std::vector<std::int64_t> points;
  for (int i = 0; i < avformat_index_get_entries_count(stream); ++i) {
    const AVIndexEntry* entry = avformat_index_get_entry(stream, i);
    if ((entry->flags & AVINDEX_KEYFRAME) != 0) {
      points.push_back(av_rescale_q(entry->timestamp, stream->time_base, {1, static_cast<int>(kPacketClock)}));
    }
  }
  return points;
}

}  // namespace zc::test
