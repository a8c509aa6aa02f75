#include "tools/decode_sound.h"

#include "tools/av_ptr.h"

#include <map>
#include <memory>
#include <utility>

namespace zc::test {
namespace {

std::unexpected<Error> failed(const char* what) { return fail(ErrorKind::Internal, "decode sound", what); }

/// One whose samples are floats: all of those that files of ours have but FLAC and PCM.
bool append(const AVFrame& frame, std::vector<float>& to) {
  const int channels = frame.ch_layout.nb_channels;
  for (int i = 0; i < frame.nb_samples; ++i) {
    switch (frame.format) {
      case AV_SAMPLE_FMT_FLTP: to.push_back(reinterpret_cast<const float*>(frame.data[0])[i]); break;
      case AV_SAMPLE_FMT_FLT: to.push_back(reinterpret_cast<const float*>(frame.data[0])[i * channels]); break;
      case AV_SAMPLE_FMT_S32:
        to.push_back(static_cast<float>(reinterpret_cast<const std::int32_t*>(frame.data[0])[i * channels] / 0x1p31));
        break;
      default: return false;
    }
  }
  return true;
}

struct Track {
  CodecPtr codec;
  bool begun = false;
  DecodedSound sound;
};

}  // namespace

Result<std::vector<DecodedSound>> decode_sound(const std::string& path) {
  AVFormatContext* raw = nullptr;
  if (avformat_open_input(&raw, path.c_str(), nullptr, nullptr) < 0) return failed("it does not open");
  const FormatPtr format(raw);
  if (avformat_find_stream_info(raw, nullptr) < 0) return failed("it has no streams");
  std::map<int, Track> tracks;
  for (unsigned i = 0; i < raw->nb_streams; ++i) {
    const AVStream& stream = *raw->streams[i];
    if (stream.codecpar->codec_type != AVMEDIA_TYPE_AUDIO) continue;
    Track& track = tracks[stream.index];
    const AVCodec* decoder = avcodec_find_decoder(stream.codecpar->codec_id);
    track.codec.reset(avcodec_alloc_context3(decoder));
    if (decoder == nullptr || avcodec_parameters_to_context(track.codec.get(), stream.codecpar) < 0 ||
        avcodec_open2(track.codec.get(), decoder, nullptr) < 0) {
      return failed("there is no decoder");
    }
    track.codec->pkt_timebase = stream.time_base;
    const AVDictionaryEntry* title = av_dict_get(stream.metadata, "title", nullptr, 0);
    track.sound.title = title == nullptr ? "" : title->value;
    track.sound.channels = static_cast<unsigned>(stream.codecpar->ch_layout.nb_channels);
  }
  const PacketPtr packet(av_packet_alloc());
  const FramePtr frame(av_frame_alloc());
  while (av_read_frame(raw, packet.get()) >= 0) {
    const auto found = tracks.find(packet->stream_index);
    if (found != tracks.end()) {
      Track& track = found->second;
      if (avcodec_send_packet(track.codec.get(), packet.get()) < 0) return failed("a packet is damaged");
      while (avcodec_receive_frame(track.codec.get(), frame.get()) >= 0) {
        if (!std::exchange(track.begun, true)) {
          track.sound.start =
              static_cast<double>(frame->best_effort_timestamp) * av_q2d(raw->streams[packet->stream_index]->time_base);
        }
        if (!append(*frame, track.sound.samples)) return failed("its samples are of a kind that is not read here");
      }
    }
    av_packet_unref(packet.get());
  }
  std::vector<DecodedSound> all;
  for (auto& [index, track] : tracks) all.push_back(std::move(track.sound));
  return all;
}

}  // namespace zc::test
