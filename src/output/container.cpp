#include "output/container.h"

#include "media/av_log.h"
#include "media/av_words.h"
#include "media/packet.h"
#include "output/av_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace zc {
namespace {

constexpr std::array kAllCodecs{Codec::H264, Codec::HEVC, Codec::AV1};
// libavformat's mpegts muxer writes AV1 as a private data stream that no player recognises.
constexpr std::array kTsCodecs{Codec::H264, Codec::HEVC};

constexpr std::array kMp4Audio{AudioCodec::Opus, AudioCodec::Aac, AudioCodec::Flac};
constexpr std::array kTsAudio{AudioCodec::Opus, AudioCodec::Aac};
constexpr std::array kFlvAudio{AudioCodec::Aac};

constexpr std::array kContainers{
    ContainerInfo{Container::Mkv, "mkv", "Matroska", "matroska", kAllCodecs, kAudioCodecs, true, false},
    ContainerInfo{Container::Mp4, "mp4", "MP4", "mp4", kAllCodecs, kMp4Audio, false, false},
    ContainerInfo{Container::Ts, "ts", "MPEG-TS", "mpegts", kTsCodecs, kTsAudio, true, true},
};
// HEVC and AV1 ("enhanced RTMP") since FFmpeg 6.1.
constexpr ContainerInfo kFlv{Container::Flv, "flv", "FLV", "flv", kAllCodecs, kFlvAudio, false, false, 1};
// Each segment says which header it needs.
constexpr ContainerInfo kHls{Container::Hls, "hls", "HLS", "mp4", kAllCodecs, kMp4Audio, true, true};
constexpr ContainerInfo kPackets{Container::Packets, "packets",    "packets", nullptr,
                                 kAllCodecs,         kAudioCodecs, true,      true};
// Whatever the others are given does not reach it.
constexpr ContainerInfo kPictures{Container::Pictures, "pictures",   "pictures", nullptr,
                                  kAllCodecs,          kAudioCodecs, true,       true};
// A keyframe brings its parameter sets, so a receiver goes on with another encoder and size.
constexpr ContainerInfo kRtp{Container::Rtp, "rtp", "RTP", "rtp", kAllCodecs, kTsAudio, true, true, 1};

bool listed(const ContainerInfo& row, Codec codec) { return std::ranges::find(row.codecs, codec) != row.codecs.end(); }
bool listed(const ContainerInfo& row, AudioCodec codec) {
  return std::ranges::find(row.audio, codec) != row.audio.end();
}

/// Whether libavformat makes packets of RTP of it, which it tells nobody who does not try: of AV1 newer ones do.
bool makes_packets(AVMediaType type, AVCodecID codec) {
  constexpr int kPacketBytes = 1200;
  const AvLogCapture quiet;
  AVFormatContext* raw = nullptr;
  if (avformat_alloc_output_context2(&raw, nullptr, "rtp", nullptr) < 0) return false;
  const AvOutputPtr format(raw);
  AVStream* stream = avformat_new_stream(raw, nullptr);
  if (stream == nullptr || avio_open_dyn_buf(&raw->pb) < 0) return false;
  raw->pb->max_packet_size = kPacketBytes;
  raw->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
  stream->codecpar->codec_type = type;
  stream->codecpar->codec_id = codec;
  stream->codecpar->width = stream->codecpar->height = 16;
  const bool begun = avformat_write_header(raw, nullptr) >= 0;
  if (begun) av_write_trailer(raw);
  std::uint8_t* bytes = nullptr;
  avio_close_dyn_buf(raw->pb, &bytes);
  av_free(bytes);
  return begun;
}

bool fits(const ContainerInfo& row, Codec codec) {
  static const bool av1 = makes_packets(AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_AV1);
  return row.container != Container::Rtp || codec != Codec::AV1 || av1;
}
bool fits(const ContainerInfo& /*row*/, AudioCodec /*codec*/) { return true; }

template <class Any>
bool holds(const ContainerInfo& row, Any codec) {
  if (!listed(row, codec)) return false;
  if (row.muxer == nullptr) return true;
  if (!fits(row, codec)) return false;
  const AVOutputFormat* muxer = av_guess_format(row.muxer, nullptr, nullptr);
  // Negative: the muxer has no table of its own (mpegts), so ours decides.
  return muxer != nullptr && avformat_query_codec(muxer, av_codec_id(codec), FF_COMPLIANCE_NORMAL) != 0;
}

template <class Any, std::size_t Count>
Result<void> check(Container container, Any codec, const std::array<Any, Count>& all) {
  const ContainerInfo& row = info(container);
  if (holds(row, codec)) return {};
  std::vector<std::string_view> codecs;
  for (const Any candidate : all) {
    if (holds(row, candidate)) codecs.push_back(to_string(candidate));
  }
  std::vector<std::string_view> fitting;
  for (const ContainerInfo& other : kContainers) {
    if (holds(other, codec)) fitting.push_back(other.name);
  }
  if (codecs.empty()) {
    return fail(ErrorKind::Unsupported, fmt::format("put {} into {}", to_string(codec), row.title),
                "this libavformat has no muxer for it");
  }
  return fail(ErrorKind::Unsupported, fmt::format("put {} into {}", to_string(codec), row.title),
              fmt::format("{} takes {}; {} fits into {}", row.name, fmt::join(codecs, ", "), to_string(codec),
                          fitting.empty() ? "no container here" : fmt::format("{}", fmt::join(fitting, ", "))));
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::span<const ContainerInfo> containers() { return kContainers; }

const ContainerInfo& info(Container container) {
  if (container == Container::Flv) return kFlv;
  if (container == Container::Hls) return kHls;
  if (container == Container::Packets) return kPackets;
  if (container == Container::Pictures) return kPictures;
  if (container == Container::Rtp) return kRtp;
  const auto* row = std::ranges::find(kContainers, container, &ContainerInfo::container);
  return row == kContainers.end() ? kContainers.front() : *row;
}

std::optional<Container> container_from_name(std::string_view name) {
  for (const ContainerInfo& row : kContainers) {
    if (std::ranges::equal(row.name, name, {}, {}, lower)) return row.container;
  }
  return std::nullopt;
}

std::string container_names() {
  std::vector<std::string_view> names;
  names.reserve(kContainers.size());
  for (const ContainerInfo& row : kContainers) names.push_back(row.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<void> check_codec(Container container, Codec codec) { return check(container, codec, kAllCodecs); }
Result<void> check_codec(Container container, AudioCodec codec) { return check(container, codec, kAudioCodecs); }

Result<void> check_tracks(Container container, std::size_t tracks) {
  const ContainerInfo& row = info(container);
  if (tracks <= row.takes_tracks) return {};
  return fail(ErrorKind::Unsupported, fmt::format("put {} tracks of sound into {}", tracks, row.title),
              fmt::format("it takes {}; sources of one track are mixed", row.takes_tracks));
}

bool can_go_on(Container container, const StreamParameters& now, const StreamParameters& next) {
  const ContainerInfo& row = info(container);
  return (row.takes_new_headers || next.extradata == now.extradata) && (row.takes_new_size || next.size == now.size);
}

}  // namespace zc
