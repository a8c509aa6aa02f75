#include "encode/decoder_probe.h"

#include "encode/av_types.h"
#include "encode/encoder_chain.h"
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "media/av_log.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr Size kSize{320, 192};
constexpr int kPictures = 5;
/// Mean difference of a luma sample, below which a decoded clip looks like what was encoded.
constexpr double kAlike = 6;

/// A coded clip and the luma it was made of.
struct Clip {
  StreamParameters stream;
  std::vector<Packet> packets;
  std::vector<std::vector<std::uint8_t>> luma;  ///< kSize, tightly packed
};

/// A slope that moves, with a bright square moving the other way.
void paint(AVFrame& frame, int number) {
  const auto at = [&](int plane, int y) {
    return frame.data[plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[plane];
  };
  const int side = frame.height / 4;
  const int left = frame.width - side - number * 8;
  for (int y = 0; y < frame.height; ++y) {
    for (int x = 0; x < frame.width; ++x) {
      const bool square = x >= left && x < left + side && y >= side && y < 2 * side;
      at(0, y)[x] = static_cast<std::uint8_t>(square ? 225 : 32 + (x + y + number * 6) % 160);
    }
  }
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  for (int component = 1; component < 3; ++component) {
    const AVComponentDescriptor& chroma = layout->comp[component];
    for (int y = 0; y < frame.height / 2; ++y) {
      std::uint8_t* row = at(chroma.plane, y) + chroma.offset;
      for (int x = 0; x < frame.width / 2; ++x) {
        row[static_cast<std::ptrdiff_t>(x) * chroma.step] = static_cast<std::uint8_t>(96 + (component * x + y) % 64);
      }
    }
  }
}

Result<Clip> make_clip(Codec codec) {
  EncoderSettings settings;
  settings.codec = codec;
  settings.preset = Preset::LowLatency;
  const auto software = [&](const EncoderRow& row) { return row.codec == codec && !row.hardware(); };
  const auto row = std::ranges::find_if(encoder_rows(), software);
  auto encoder = open_ffmpeg_encoder(*row, settings, {.size = kSize, .rate = {30, 1}, .threads = 1});
  if (!encoder) return std::unexpected(std::move(encoder.error()));
  Clip clip{.stream = (*encoder)->stream(), .packets = {}, .luma = {}};
  const auto receive = [&]() -> Result<void> {
    while (true) {
      auto packet = (*encoder)->receive();
      if (!packet) return std::unexpected(std::move(packet.error()));
      if (!*packet) return {};
      clip.packets.push_back(std::move(**packet));
    }
  };
  for (int number = 0; number < kPictures; ++number) {
    AvFramePtr frame(av_frame_alloc());
    if (!frame) return fail_av(AVERROR(ENOMEM), "make a test clip");
    frame->format = av_pixel_format((*encoder)->input().format);
    frame->width = static_cast<int>(kSize.width);
    frame->height = static_cast<int>(kSize.height);
    if (const int code = av_frame_get_buffer(frame.get(), 0); code < 0) return fail_av(code, "make a test clip");
    paint(*frame, number);
    std::vector<std::uint8_t>& luma = clip.luma.emplace_back();
    for (int y = 0; y < frame->height; ++y) {
      const std::uint8_t* line = frame->data[0] + static_cast<std::ptrdiff_t>(y) * frame->linesize[0];
      luma.insert(luma.end(), line, line + frame->width);
    }
    Surface picture(std::move(frame), (*encoder)->input());
    picture.stream_time = std::chrono::milliseconds(33) * number;
    if (auto ok = (*encoder)->submit(picture); !ok) return std::unexpected(std::move(ok.error()));
    if (auto ok = receive(); !ok) return std::unexpected(std::move(ok.error()));
  }
  if (auto ok = (*encoder)->drain(); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = receive(); !ok) return std::unexpected(std::move(ok.error()));
  return clip;
}

/// All pictures of the clip.
Result<std::vector<AvFramePtr>> decode(const Clip& clip, DecoderBackend backend, const std::string& device) {
  auto decoder = VideoDecoder::open(backend, av_codec_id(clip.stream.codec),
                                    {.extradata = clip.stream.extradata, .device = device});
  if (!decoder) return std::unexpected(std::move(decoder.error()));
  std::vector<AvFramePtr> pictures;
  const auto receive = [&]() -> Result<void> {
    while (true) {
      auto picture = (*decoder)->receive();
      if (!picture) return std::unexpected(std::move(picture.error()));
      if (*picture == nullptr) return {};
      pictures.push_back(*std::move(picture));
    }
  };
  const AvPacketPtr packet(av_packet_alloc());
  if (!packet) return fail_av(AVERROR(ENOMEM), "decode");
  for (const Packet& coded : clip.packets) {
    const std::span<const std::byte> bytes = coded.bytes();
    if (const int code = av_new_packet(packet.get(), static_cast<int>(bytes.size())); code < 0) {
      return fail_av(code, "decode");
    }
    std::memcpy(packet->data, bytes.data(), bytes.size());
    packet->pts = coded.pts;
    packet->dts = coded.dts;
    auto sent = (*decoder)->send(*packet);
    av_packet_unref(packet.get());
    if (!sent) return std::unexpected(std::move(sent.error()));
    if (auto ok = receive(); !ok) return std::unexpected(std::move(ok.error()));
  }
  if (auto ok = (*decoder)->drain(); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = receive(); !ok) return std::unexpected(std::move(ok.error()));
  return pictures;
}

/// The samples of one component of an 8-bit picture, whatever its planes are: NV12 and I420 look the same here.
std::vector<std::uint8_t> component(const AVFrame& frame, int number) {
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  const AVComponentDescriptor& of = layout->comp[number];
  const int width = number == 0 ? frame.width : AV_CEIL_RSHIFT(frame.width, layout->log2_chroma_w);
  const int height = number == 0 ? frame.height : AV_CEIL_RSHIFT(frame.height, layout->log2_chroma_h);
  std::vector<std::uint8_t> samples;
  samples.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* row =
        frame.data[of.plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[of.plane] + of.offset;
    for (int x = 0; x < width; ++x) samples.push_back(row[static_cast<std::ptrdiff_t>(x) * of.step]);
  }
  return samples;
}

bool comparable(const AVFrame& frame) {
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  return layout != nullptr && layout->nb_components >= 3 && layout->comp[0].depth == 8 &&
         frame.width == static_cast<int>(kSize.width) && frame.height == static_cast<int>(kSize.height);
}

double mean_difference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<int>(a[i]) - static_cast<int>(b[i]));
  return sum / static_cast<double>(a.size());
}

/// What is wrong with the pictures; empty: nothing. Counts into `report`.
std::string compare(const std::vector<AvFramePtr>& pictures, const std::vector<AvFramePtr>& reference, const Clip& clip,
                    DecoderReport& report) {
  if (pictures.size() != clip.luma.size() || reference.size() != clip.luma.size()) {
    return fmt::format("{} pictures were encoded, {} decoded", clip.luma.size(), pictures.size());
  }
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    if (!comparable(*pictures[i]) || !comparable(*reference[i])) return "its pictures have another size or depth";
    for (int number = 0; number < 3; ++number) {
      const std::vector<std::uint8_t> ours = component(*pictures[i], number);
      const std::vector<std::uint8_t> wanted = component(*reference[i], number);
      if (ours.size() != wanted.size()) return "its pictures have another chroma format";
      report.samples += ours.size();
      for (std::size_t s = 0; s < ours.size(); ++s) report.different += ours[s] == wanted[s] ? 0U : 1U;
      if (number == 0 && mean_difference(ours, clip.luma[i]) > kAlike) {
        return fmt::format("picture {} does not look like the one that was encoded", i);
      }
    }
    ++report.pictures;
  }
  if (report.different == 0) return {};
  return fmt::format("{} of {} samples are not the software decoder's", report.different, report.samples);
}

Result<void> try_decoder(DecoderBackend backend, Codec codec, const std::string& device, DecoderReport& report) {
  report.decoder = VideoDecoder::find(backend, av_codec_id(codec));
  if (report.decoder.empty()) {
    return fail(ErrorKind::Unsupported, "find a decoder",
                fmt::format("this FFmpeg has no {} decoder for {}", to_string(backend), to_string(codec)));
  }
  const auto clip = make_clip(codec);
  if (!clip) return std::unexpected(clip.error());
  const auto pictures = decode(*clip, backend, device);
  if (!pictures) return std::unexpected(pictures.error());
  if (VideoDecoder::find(DecoderBackend::Software, av_codec_id(codec)).empty()) {
    return fail(ErrorKind::Unsupported, "find a decoder", "this FFmpeg has no software decoder to compare with");
  }
  const auto reference = decode(*clip, DecoderBackend::Software, {});
  if (!reference) return std::unexpected(reference.error());
  if (std::string wrong = compare(*pictures, *reference, *clip, report); !wrong.empty()) {
    return fail(ErrorKind::Unsupported, "", std::move(wrong));
  }
  return {};
}

}  // namespace

DecoderReport probe_decoder(DecoderBackend backend, Codec codec, const std::string& device) {
  const AvLogCapture quiet;  // the report says it
  DecoderReport report;
  const auto done = try_decoder(backend, codec, device, report);
  report.works = done.has_value();
  if (!done) {
    // What libavcodec logged says more than its error code.
    const std::string said = quiet.text();
    report.reason = said.empty() ? done.error().message() : done.error().operation + ": " + said;
  }
  return report;
}

}  // namespace zc
