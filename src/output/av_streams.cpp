#include "output/av_streams.h"

#include "media/av_words.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

extern "C" {
#include <libavcodec/packet.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/dict.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/mem.h>
}

namespace zc {
namespace {

constexpr AVRational kTimeBase{1, static_cast<int>(kPacketClock)};

AVRational in_parts(std::uint32_t value, int parts) { return {static_cast<int>(value), parts}; }

bool set_extradata(AVCodecParameters& codec, const std::vector<std::byte>& bytes) {
  if (bytes.empty()) return true;
  codec.extradata = static_cast<std::uint8_t*>(av_mallocz(bytes.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  if (codec.extradata == nullptr) return false;
  std::memcpy(codec.extradata, bytes.data(), bytes.size());
  codec.extradata_size = static_cast<int>(bytes.size());
  return true;
}

/// The stream takes over `data`, also when it fails.
bool add_side_data(AVStream& stream, AVPacketSideDataType type, void* data, std::size_t bytes) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  AVCodecParameters& codec = *stream.codecpar;
  const bool added =
      av_packet_side_data_add(&codec.coded_side_data, &codec.nb_coded_side_data, type, data, bytes, 0) != nullptr;
#else
  const bool added = av_stream_add_side_data(&stream, type, static_cast<std::uint8_t*>(data), bytes) >= 0;
#endif
  if (!added) av_free(data);
  return added;
}

bool describe_hdr(const HdrMetadata& hdr, AVStream& stream) {
  if (hdr.mastering) {
    AVMasteringDisplayMetadata* data = av_mastering_display_metadata_alloc();
    if (data == nullptr) return false;
    const MasteringDisplay& m = *hdr.mastering;
    const std::array<Chromaticity, 3> primaries{m.red, m.green, m.blue};
    for (std::size_t i = 0; i < primaries.size(); ++i) {
      data->display_primaries[i][0] = in_parts(primaries.at(i).x, 50'000);
      data->display_primaries[i][1] = in_parts(primaries.at(i).y, 50'000);
    }
    data->white_point[0] = in_parts(m.white.x, 50'000);
    data->white_point[1] = in_parts(m.white.y, 50'000);
    data->max_luminance = in_parts(m.max_luminance, 10'000);
    data->min_luminance = in_parts(m.min_luminance, 10'000);
    data->has_primaries = data->has_luminance = 1;
    if (!add_side_data(stream, AV_PKT_DATA_MASTERING_DISPLAY_METADATA, data, sizeof(AVMasteringDisplayMetadata)))
      return false;
  }
  if (hdr.light) {
    std::size_t bytes = 0;
    AVContentLightMetadata* data = av_content_light_metadata_alloc(&bytes);
    if (data == nullptr) return false;
    data->MaxCLL = hdr.light->max_content;
    data->MaxFALL = hdr.light->max_frame_average;
    if (!add_side_data(stream, AV_PKT_DATA_CONTENT_LIGHT_LEVEL, data, bytes)) return false;
  }
  return true;
}

}  // namespace

bool describe(const StreamParameters& parameters, AVStream& stream) {
  AVCodecParameters& codec = *stream.codecpar;
  codec.codec_type = AVMEDIA_TYPE_VIDEO;
  codec.codec_id = av_codec_id(parameters.codec);
  codec.width = static_cast<int>(parameters.size.width);
  codec.height = static_cast<int>(parameters.size.height);
  codec.profile = parameters.profile;
  codec.level = parameters.level;
  codec.bit_rate = parameters.bit_rate;
  codec.bits_per_raw_sample = static_cast<int>(parameters.bit_depth);
  codec.video_delay = parameters.has_b_frames ? 1 : 0;
  codec.field_order = AV_FIELD_PROGRESSIVE;
  codec.sample_aspect_ratio = {1, 1};
  codec.color_space = av_matrix(parameters.colour.matrix);
  codec.color_primaries = av_primaries(parameters.colour.primaries);
  codec.color_trc = av_transfer(parameters.colour.transfer);
  codec.color_range = av_range(parameters.colour.range);
  codec.chroma_location = AVCHROMA_LOC_LEFT;
  if (!set_extradata(codec, parameters.extradata)) return false;
  if (!describe_hdr(parameters.hdr, stream)) return false;
  stream.time_base = kTimeBase;
  stream.sample_aspect_ratio = {1, 1};
  if (!parameters.nominal_rate.zero()) {
    stream.avg_frame_rate = {static_cast<int>(parameters.nominal_rate.num),
                             static_cast<int>(parameters.nominal_rate.den)};
    if (!parameters.variable_rate) stream.r_frame_rate = stream.avg_frame_rate;
  }
  return true;
}

bool describe(const AudioStreamParameters& track, AVStream& stream) {
  AVCodecParameters& codec = *stream.codecpar;
  codec.codec_type = AVMEDIA_TYPE_AUDIO;
  codec.codec_id = av_codec_id(track.codec);
  codec.sample_rate = static_cast<int>(kAudioRate);
  codec.bit_rate = track.bit_rate;
  codec.bits_per_raw_sample = static_cast<int>(track.bit_depth);
  codec.bits_per_coded_sample = track.codec == AudioCodec::Pcm ? static_cast<int>(track.bit_depth) : 0;
  codec.frame_size = static_cast<int>(track.frame_samples);
  codec.block_align =
      track.codec == AudioCodec::Pcm
          ? codec.bits_per_coded_sample / 8 * static_cast<int>(AudioFormat{.layout = track.layout}.channels())
          : 0;
  codec.initial_padding = static_cast<int>(track.priming);
  if (av_channel_layout_from_mask(&codec.ch_layout, track.layout) < 0) return false;
  stream.time_base = {1, static_cast<int>(kAudioRate)};
  if (!track.title.empty()) av_dict_set(&stream.metadata, "title", track.title.c_str(), 0);
  if (stream.index > 1) stream.disposition = 0;
  return set_extradata(codec, track.extradata);
}

int write_frame(AVFormatContext& format, AVPacket& packet, const AVStream& stream, const Packet& coded,
                std::int64_t duration) {
  packet.buf = coded.buffer() != nullptr ? av_buffer_ref(coded.buffer()) : nullptr;
  // libavformat never writes to what it is given here; its interface is not const.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): see the line above
  packet.data = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(coded.bytes().data()));
  packet.size = static_cast<int>(coded.bytes().size());
  packet.pts = coded.pts;
  packet.dts = coded.dts;
  packet.duration = duration;
  packet.flags = coded.keyframe || coded.track != 0 ? AV_PKT_FLAG_KEY : 0;
  packet.stream_index = stream.index;
  av_packet_rescale_ts(&packet, kTimeBase, stream.time_base);
  const int code = av_write_frame(&format, &packet);
  av_packet_unref(&packet);
  return code;
}

}  // namespace zc
