#include "encode/probe.h"

#include "base/bounded_call.h"
#include "encode/av_types.h"
#include "encode/codec_context.h"
#include "encode/ffmpeg_encoder.h"
#include "encode/hw_frames.h"
#include "gpu/cuda/av_device.h"
#include "media/av_log.h"
#include "media/hdr_side_data.h"
#include "media/picture_device.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/pixdesc.h>
}

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <span>

namespace zc {
namespace {

/// A picture with a slope in it, so that there is something to encode.
Result<Surface> make_test_picture(const SurfaceFormat& format) {
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_av(AVERROR(ENOMEM), "make a test picture");
  frame->format = av_pixel_format(format.format);
  frame->width = static_cast<int>(format.size.width);
  frame->height = static_cast<int>(format.size.height);
  if (const int result = av_frame_get_buffer(frame.get(), 0); result < 0) {
    return fail_av(result, "make a test picture");
  }
  const bool wide = info(format.format).bits > 8;
  for (unsigned plane = 0; plane < info(format.format).planes; ++plane) {
    const std::uint32_t rows = plane_height(format.format, plane, format.size.height);
    const std::uint64_t bytes = row_bytes(format.format, plane, format.size.width);
    for (std::uint32_t y = 0; y < rows; ++y) {
      std::uint8_t* row = frame->data[plane] + static_cast<std::ptrdiff_t>(y) * frame->linesize[plane];
      // In 10-bit samples the high byte stays 1: 256 to 511 of 1023.
      for (std::uint64_t x = 0; x < bytes; ++x)
        row[x] = wide && x % 2 == 1 ? 1 : static_cast<std::uint8_t>(64 + (x + y) % 128);
    }
  }
  return Surface(std::move(frame), format);
}

/// Submits pictures until the encoder is drained; returns all packets.
Result<std::vector<Packet>> encode_test_pictures(Encoder& encoder, Surface& picture) {
  constexpr int kPictures = 2;
  std::vector<Packet> packets;
  const auto receive_all = [&]() -> Result<void> {
    while (true) {
      auto packet = encoder.receive();
      if (!packet) return std::unexpected(std::move(packet.error()));
      if (!*packet) return {};
      packets.push_back(std::move(**packet));
    }
  };
  for (int i = 0; i < kPictures; ++i) {
    picture.stream_time = std::chrono::milliseconds(33) * i;
    if (auto ok = encoder.submit(picture); !ok) return std::unexpected(std::move(ok.error()));
    if (auto ok = receive_all(); !ok) return std::unexpected(std::move(ok.error()));
  }
  if (auto ok = encoder.drain(); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = receive_all(); !ok) return std::unexpected(std::move(ok.error()));
  if (packets.size() != kPictures) {
    return fail(ErrorKind::Unsupported, "encode a test picture",
                fmt::format("{} pictures gave {} packets", kPictures, packets.size()));
  }
  return packets;
}

/// The first picture of the stream, decoded; nullptr when there is no decoder for it.
Result<AvFramePtr> decode_first(const StreamParameters& stream, std::span<const Packet> packets) {
  const AVCodec* codec = avcodec_find_decoder(av_codec_id(stream.codec));
  if (codec == nullptr) return AvFramePtr();
  const AvCodecContextPtr context(avcodec_alloc_context3(codec));
  AvFramePtr frame(av_frame_alloc());
  const AvPacketPtr packet(av_packet_alloc());
  if (!context || !frame || !packet) return fail_av(AVERROR(ENOMEM), "decode the test picture");
  context->extradata = static_cast<std::uint8_t*>(av_mallocz(stream.extradata.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  if (context->extradata == nullptr) return fail_av(AVERROR(ENOMEM), "decode the test picture");
  std::memcpy(context->extradata, stream.extradata.data(), stream.extradata.size());
  context->extradata_size = static_cast<int>(stream.extradata.size());
  context->thread_count = 1;
  int result = avcodec_open2(context.get(), codec, nullptr);
  for (const Packet& coded : packets) {
    if (result < 0) break;
    const std::span<const std::byte> bytes = coded.bytes();
    result = av_new_packet(packet.get(), static_cast<int>(bytes.size()));
    if (result < 0) break;
    std::memcpy(packet->data, bytes.data(), bytes.size());
    result = avcodec_send_packet(context.get(), packet.get());
    av_packet_unref(packet.get());
  }
  if (result >= 0) result = avcodec_send_packet(context.get(), nullptr);
  if (result >= 0) result = avcodec_receive_frame(context.get(), frame.get());
  if (result < 0) return fail_av(result, "decode the test picture");
  return frame;
}

/// What is wrong with the decoded picture; empty: nothing.
std::string difference(const AVFrame& frame, const SurfaceFormat& asked, const HdrMetadata& asked_hdr) {
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  const PixelFormatInfo& wanted = info(asked.format);
  if (frame.width != static_cast<int>(asked.size.width) || frame.height != static_cast<int>(asked.size.height)) {
    return fmt::format("its picture decodes as {}x{}", frame.width, frame.height);
  }
  if (layout == nullptr || layout->comp[0].depth != wanted.bits || layout->log2_chroma_w != wanted.chroma_shift_x ||
      layout->log2_chroma_h != wanted.chroma_shift_y) {
    return fmt::format("its picture decodes as {}", layout == nullptr ? "an unknown format" : layout->name);
  }
  if (frame.colorspace != av_matrix(asked.colour.matrix) || frame.color_range != av_range(asked.colour.range) ||
      frame.color_primaries != av_primaries(asked.colour.primaries) ||
      frame.color_trc != av_transfer(asked.colour.transfer)) {
    return "its bitstream does not carry the colour description";
  }
  // How exactly it is carried differs between codecs.
  const HdrMetadata hdr = read_hdr(frame);
  if ((asked_hdr.mastering && !hdr.mastering) || (asked_hdr.light && !hdr.light)) {
    return "its bitstream does not carry the HDR metadata";
  }
  return {};
}

/// The same picture in the device's memory.
Result<Surface> upload(const Surface& picture, const SurfaceFormat& format, const PictureDevice& device) {
  auto av_device = device.av_device();
  if (!av_device) return std::unexpected(std::move(av_device.error()));
  const AVPixelFormat layout = av_pixel_format(format.format);
  const auto frames = make_hw_frames(**av_device, device_pixel_format(format.memory, layout), layout, format.size);
  if (!frames) return std::unexpected(frames.error());
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_av(AVERROR(ENOMEM), "make a test picture");
  int result = av_hwframe_get_buffer(frames->get(), frame.get(), 0);
  if (result >= 0) result = av_hwframe_transfer_data(frame.get(), picture.av_frame(), 0);
  if (result < 0) return fail_av(result, "copy the test picture to the GPU");
  if (format.memory == MemoryKind::Cuda) {
    if (auto done = cuda::finish_copies(**frames); !done) return std::unexpected(std::move(done.error()));
  }
  return Surface(std::move(frame), format);
}

Result<Surface> make_test_surface(const SurfaceFormat& format, const VideoParameters& video) {
  auto picture = make_test_picture(format);
  if (!picture || format.memory == MemoryKind::Host) return picture;
  return upload(*picture, format, *video.device);
}

}  // namespace

Result<std::string> prove_encoder(const EncoderRow& row, const EncoderSettings& settings,
                                  const VideoParameters& video) {
  const AvLogCapture quiet;  // the error says it
  const auto wrong = [&](std::string why) {
    return fail(ErrorKind::Unsupported, fmt::format("try {}", row.name), std::move(why));
  };
  auto encoder = open_ffmpeg_encoder(row, settings, video);
  if (!encoder) return std::unexpected(std::move(encoder.error()));
  auto picture = make_test_surface((*encoder)->input(), video);
  if (!picture) return std::unexpected(std::move(picture.error()));
  const auto packets = encode_test_pictures(**encoder, *picture);
  if (!packets) return wrong(packets.error().message());
  if (!packets->front().keyframe) return wrong("its first packet is no keyframe");
  const auto frame = decode_first((*encoder)->stream(), *packets);
  if (!frame) return wrong(frame.error().message());
  if (*frame == nullptr) return fmt::format("not checked: this FFmpeg has no {} decoder", to_string(row.codec));
  std::string what = difference(**frame, (*encoder)->input(), settings.hdr);
  if (!what.empty()) return wrong(std::move(what));
  return std::string();
}

EncoderReport probe_encoder(const EncoderRow& row, Size size, unsigned bit_depth, Chroma chroma, Nanoseconds patience,
                            const GpuChoice& gpu) {
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  settings.bit_depth = bit_depth;
  settings.chroma = chroma;
  const VideoParameters video{.size = size, .rate = {30, 1}, .gpu = gpu};
  const auto limit = open_patience(row, patience);
  const auto proven = call_within(limit, [&row, settings, video] {
                        return prove_encoder(row, settings, video);
                      }).value_or(std::unexpected(hung(row, limit.value_or(patience))));
  return {.row = &row, .usable = proven.has_value(), .reason = proven ? *proven : proven.error().detail};
}

std::vector<EncoderReport> probe_encoders(Size size, unsigned bit_depth, Chroma chroma) {
  std::vector<EncoderReport> reports;
  for (const EncoderRow& row : encoder_rows()) reports.push_back(probe_encoder(row, size, bit_depth, chroma));
  return reports;
}

}  // namespace zc
