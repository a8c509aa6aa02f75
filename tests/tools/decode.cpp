#include "tools/decode.h"

#include "tools/av_ptr.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace zc::test {
namespace {

std::unexpected<Error> failed(int averror, std::string operation) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(averror, text.data(), text.size());
  return std::unexpected(
      Error{ErrorKind::Internal, ErrorDomain::FFmpeg, averror, std::move(operation), std::string(text.data())});
}

AVCodecID codec_id(Codec codec) {
  switch (codec) {
    case Codec::H264: return AV_CODEC_ID_H264;
    case Codec::HEVC: return AV_CODEC_ID_HEVC;
    case Codec::AV1: return AV_CODEC_ID_AV1;
  }
  return AV_CODEC_ID_NONE;
}

ColourDescription colour_of(const AVFrame& frame) {
  ColourDescription colour;
  switch (frame.colorspace) {
    case AVCOL_SPC_BT709: colour.matrix = ColourMatrix::BT709; break;
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_BT470BG: colour.matrix = ColourMatrix::BT601; break;
    case AVCOL_SPC_RGB: colour.matrix = ColourMatrix::Rgb; break;
    case AVCOL_SPC_BT2020_NCL: colour.matrix = ColourMatrix::BT2020; break;
    default: break;
  }
  switch (frame.color_range) {
    case AVCOL_RANGE_MPEG: colour.range = ColourRange::Limited; break;
    case AVCOL_RANGE_JPEG: colour.range = ColourRange::Full; break;
    default: break;
  }
  switch (frame.color_primaries) {
    case AVCOL_PRI_BT709: colour.primaries = ColourPrimaries::BT709; break;
    case AVCOL_PRI_SMPTE170M:
    case AVCOL_PRI_BT470BG: colour.primaries = ColourPrimaries::BT601; break;
    case AVCOL_PRI_BT2020: colour.primaries = ColourPrimaries::BT2020; break;
    default: break;
  }
  switch (frame.color_trc) {
    case AVCOL_TRC_BT709: colour.transfer = TransferFunction::BT709; break;
    case AVCOL_TRC_IEC61966_2_1: colour.transfer = TransferFunction::SRGB; break;
    case AVCOL_TRC_BT2020_10: colour.transfer = TransferFunction::BT2020_10; break;
    case AVCOL_TRC_SMPTE2084: colour.transfer = TransferFunction::PQ; break;
    case AVCOL_TRC_ARIB_STD_B67: colour.transfer = TransferFunction::HLG; break;
    default: break;
  }
  return colour;
}

bool is_keyframe(const AVFrame& frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
  return (frame.flags & AV_FRAME_FLAG_KEY) != 0;
#else
  return frame.key_frame != 0;
#endif
}

}  // namespace

struct Decoder::Impl {
  FormatPtr format;  // empty: packets
  int stream_index = 0;
  AVRational time_base{1, static_cast<int>(kPacketClock)};
  std::span<const Packet> packets;
  std::size_t next_packet = 0;
  CodecPtr codec;
  FramePtr frame{av_frame_alloc()};
  PacketPtr packet{av_packet_alloc()};
  bool at_end = false;
  std::uint64_t errors = 0;

  Result<void> open_codec(AVCodecID id, const AVCodecParameters* parameters, std::span<const std::byte> extradata);
  /// Fills `packet`; AVERROR_EOF at the end.
  int read();
  Result<std::optional<DecodedFrame>> view();
};

Result<void> Decoder::Impl::open_codec(AVCodecID id, const AVCodecParameters* parameters,
                                       std::span<const std::byte> extradata) {
  const AVCodec* decoder = avcodec_find_decoder(id);
  if (decoder == nullptr) {
    return fail(ErrorKind::Unsupported, "decode", std::string("no decoder for ") + avcodec_get_name(id));
  }
  codec.reset(avcodec_alloc_context3(decoder));
  if (!codec || !frame || !packet) return failed(AVERROR(ENOMEM), "open a decoder");
  if (parameters != nullptr) {
    if (const int result = avcodec_parameters_to_context(codec.get(), parameters); result < 0) {
      return failed(result, "open a decoder");
    }
  } else if (!extradata.empty()) {
    codec->extradata = static_cast<std::uint8_t*>(av_mallocz(extradata.size() + AV_INPUT_BUFFER_PADDING_SIZE));
    if (codec->extradata == nullptr) return failed(AVERROR(ENOMEM), "open a decoder");
    std::memcpy(codec->extradata, extradata.data(), extradata.size());
    codec->extradata_size = static_cast<int>(extradata.size());
  }
  codec->pkt_timebase = time_base;
  const int result = avcodec_open2(codec.get(), decoder, nullptr);
  if (result < 0) return failed(result, "open a decoder");
  return {};
}

int Decoder::Impl::read() {
  if (format) {
    while (true) {
      const int result = av_read_frame(format.get(), packet.get());
      if (result < 0 || packet->stream_index == stream_index) return result;
      av_packet_unref(packet.get());
    }
  }
  if (next_packet == packets.size()) return AVERROR_EOF;
  const Packet& from = packets[next_packet++];
  // Padded and owned by libavcodec: the bytes of a packet end where its buffer may end.
  const int result = av_new_packet(packet.get(), static_cast<int>(from.bytes().size()));
  if (result < 0) return result;
  std::memcpy(packet->data, from.bytes().data(), from.bytes().size());
  packet->pts = from.pts;
  packet->dts = from.dts;
  if (from.keyframe) packet->flags |= AV_PKT_FLAG_KEY;
  return 0;
}

Result<std::optional<DecodedFrame>> Decoder::Impl::view() {
  const AVPixFmtDescriptor* format_info = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame->format));
  if (format_info == nullptr || format_info->nb_components != 3 ||
      av_pix_fmt_count_planes(static_cast<AVPixelFormat>(frame->format)) != 3) {
    return fail(ErrorKind::Unsupported, "decode", "the decoder's pictures do not have three planes");
  }
  DecodedFrame decoded;
  decoded.pts = frame->best_effort_timestamp == AV_NOPTS_VALUE
                    ? 0
                    : av_rescale_q(frame->best_effort_timestamp, time_base, {1, static_cast<int>(kPacketClock)});
  decoded.keyframe = is_keyframe(*frame);
  decoded.size = {static_cast<std::uint32_t>(frame->width), static_cast<std::uint32_t>(frame->height)};
  decoded.bit_depth = static_cast<unsigned>(format_info->comp[0].depth);
  decoded.bytes_per_sample = decoded.bit_depth > 8 ? 2 : 1;
  for (unsigned i = 0; i < decoded.planes.size(); ++i) {
    const int shift_x = i == 0 ? 0 : format_info->log2_chroma_w;
    const int shift_y = i == 0 ? 0 : format_info->log2_chroma_h;
    decoded.planes.at(i) = {reinterpret_cast<const std::byte*>(frame->data[i]),
                            static_cast<std::size_t>(frame->linesize[i]),
                            {static_cast<std::uint32_t>(AV_CEIL_RSHIFT(frame->width, shift_x)),
                             static_cast<std::uint32_t>(AV_CEIL_RSHIFT(frame->height, shift_y))}};
  }
  decoded.colour = colour_of(*frame);
  return decoded;
}

std::optional<TestMark> DecodedFrame::mark(Size painted) const {
  const DecodedPlane& luma = planes[0];
  return read_mark({luma.data, luma.stride_bytes * luma.size.height}, luma.stride_bytes, size, bytes_per_sample,
                   painted);
}

Decoder::Decoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

Result<Decoder> Decoder::open(const std::string& url) {
  auto impl = std::make_unique<Impl>();
  AVFormatContext* opened = nullptr;
  int result = avformat_open_input(&opened, url.c_str(), nullptr, nullptr);
  if (result < 0) return failed(result, "open " + url);
  impl->format.reset(opened);
  result = avformat_find_stream_info(opened, nullptr);
  if (result < 0) return failed(result, "read " + url);
  impl->stream_index = av_find_best_stream(opened, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (impl->stream_index < 0) return fail(ErrorKind::NotFound, "read " + url, "it has no video stream");
  const AVStream& stream = *opened->streams[impl->stream_index];
  impl->time_base = stream.time_base;
  if (auto ok = impl->open_codec(stream.codecpar->codec_id, stream.codecpar, {}); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return Decoder(std::move(impl));
}

Result<Decoder> Decoder::open(const StreamParameters& stream, std::span<const Packet> packets) {
  auto impl = std::make_unique<Impl>();
  impl->packets = packets;
  if (auto ok = impl->open_codec(codec_id(stream.codec), nullptr, stream.extradata); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return Decoder(std::move(impl));
}

Result<std::optional<DecodedFrame>> Decoder::next() {
  Impl& d = *impl_;
  while (true) {
    const int result = avcodec_receive_frame(d.codec.get(), d.frame.get());
    if (result == 0) {
      if (d.frame->decode_error_flags == 0) return d.view();
      ++d.errors;
      continue;
    }
    if (result == AVERROR_EOF) return std::nullopt;
    if (result != AVERROR(EAGAIN)) {
      ++d.errors;
      if (d.at_end) return std::nullopt;
    }
    const int read = d.at_end ? AVERROR_EOF : d.read();
    if (read < 0) {
      if (read != AVERROR_EOF) ++d.errors;  // a truncated file: decode what is left
      if (d.at_end) return std::nullopt;
      d.at_end = true;
      avcodec_send_packet(d.codec.get(), nullptr);
      continue;
    }
    const int sent = avcodec_send_packet(d.codec.get(), d.packet.get());
    av_packet_unref(d.packet.get());
    if (sent < 0) ++d.errors;
  }
}

MediaInfo Decoder::info() const {
  const AVCodecContext& codec = *impl_->codec;
  return {impl_->format ? impl_->format->iformat->name : "",
          avcodec_get_name(codec.codec_id),
          {static_cast<std::uint32_t>(codec.width), static_cast<std::uint32_t>(codec.height)},
          codec.profile,
          codec.level};
}

std::uint64_t Decoder::decode_errors() const { return impl_->errors; }

double psnr(const DecodedPlane& a, const DecodedPlane& b, unsigned bit_depth) {
  double squares = 0;
  for (std::uint32_t y = 0; y < a.size.height; ++y) {
    const std::byte* row_a = a.data + y * a.stride_bytes;
    const std::byte* row_b = b.data + y * b.stride_bytes;
    for (std::uint32_t x = 0; x < a.size.width; ++x) {
      int value_a = 0;
      int value_b = 0;
      if (bit_depth > 8) {
        std::uint16_t wide = 0;
        std::memcpy(&wide, row_a + std::size_t{x} * 2, 2);
        value_a = wide;
        std::memcpy(&wide, row_b + std::size_t{x} * 2, 2);
        value_b = wide;
      } else {
        value_a = std::to_integer<int>(row_a[x]);
        value_b = std::to_integer<int>(row_b[x]);
      }
      const double difference = value_a - value_b;
      squares += difference * difference;
    }
  }
  if (squares == 0) return std::numeric_limits<double>::infinity();
  const double peak = (1U << bit_depth) - 1;
  return 10 * std::log10(peak * peak * static_cast<double>(a.size.area()) / squares);
}

}  // namespace zc::test
