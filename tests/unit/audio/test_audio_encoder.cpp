#include "audio/audio_encoder.h"
#include "unit/audio/devices.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <memory>
#include <numbers>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
}

using namespace zc;
using zc::test::lateness;
using zc::test::purity;

namespace {

struct Free {
  void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
  void operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};

/// What libavcodec's own decoder makes of it, channel by channel.
class Decoder {
 public:
  explicit Decoder(const AudioStreamParameters& stream) {
    const AVCodecID ids[] = {AV_CODEC_ID_OPUS, AV_CODEC_ID_AAC, AV_CODEC_ID_FLAC, AV_CODEC_ID_PCM_S24LE};
    const AVCodec* codec = avcodec_find_decoder(ids[static_cast<std::size_t>(stream.codec)]);
    context_.reset(avcodec_alloc_context3(codec));
    context_->sample_rate = static_cast<int>(kAudioRate);
    av_channel_layout_from_mask(&context_->ch_layout, stream.layout);
    context_->extradata =
        static_cast<std::uint8_t*>(av_mallocz(stream.extradata.size() + AV_INPUT_BUFFER_PADDING_SIZE));
    if (!stream.extradata.empty()) std::memcpy(context_->extradata, stream.extradata.data(), stream.extradata.size());
    context_->extradata_size = static_cast<int>(stream.extradata.size());
    REQUIRE(avcodec_open2(context_.get(), codec, nullptr) == 0);
  }

  void decode(const Packet* packet) {
    const std::unique_ptr<AVPacket, Free> coded(av_packet_alloc());
    if (packet != nullptr) {
      REQUIRE(av_new_packet(coded.get(), static_cast<int>(packet->bytes().size())) == 0);
      std::memcpy(coded->data, packet->bytes().data(), packet->bytes().size());
    }
    REQUIRE(avcodec_send_packet(context_.get(), packet != nullptr ? coded.get() : nullptr) == 0);
    const std::unique_ptr<AVFrame, Free> frame(av_frame_alloc());
    while (avcodec_receive_frame(context_.get(), frame.get()) == 0) append(*frame);
  }

  std::vector<std::vector<float>> channels;

 private:
  static float sample(const AVFrame& frame, std::size_t i, std::size_t channel, std::size_t count) {
    switch (static_cast<AVSampleFormat>(frame.format)) {
      case AV_SAMPLE_FMT_FLTP: return reinterpret_cast<const float*>(frame.extended_data[channel])[i];
      case AV_SAMPLE_FMT_FLT: return reinterpret_cast<const float*>(frame.data[0])[i * count + channel];
      case AV_SAMPLE_FMT_S32:
        return static_cast<float>(reinterpret_cast<const std::int32_t*>(frame.data[0])[i * count + channel]) /
               2'147'483'648.0F;
      default: FAIL("a format that no decoder here gives: " << frame.format);
    }
    return 0;
  }
  void append(const AVFrame& frame) {
    const auto count = static_cast<std::size_t>(frame.ch_layout.nb_channels);
    channels.resize(count);
    for (std::size_t i = 0; i < static_cast<std::size_t>(frame.nb_samples); ++i) {
      for (std::size_t c = 0; c < count; ++c) channels[c].push_back(sample(frame, i, c, count));
    }
  }

  std::unique_ptr<AVCodecContext, Free> context_;
};

/// Each channel has a tone of its own, the fourth a low one: it may be a subwoofer's.
double hertz_of(std::size_t channel) { return channel == 3 ? 60 : 1000 + 200 * static_cast<double>(channel); }

std::vector<float> tones(std::int64_t position, std::size_t count, std::size_t channels) {
  std::vector<float> samples;
  for (std::size_t i = 0; i < count; ++i) {
    const double time = static_cast<double>(position + static_cast<std::int64_t>(i)) / kAudioRate;
    for (std::size_t c = 0; c < channels; ++c) {
      samples.push_back(static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * hertz_of(c) * time)));
    }
  }
  return samples;
}

}  // namespace

TEST_CASE("each codec gives the sound back, where it was") {
  for (const AudioCodec codec : kAudioCodecs) {
    for (const std::uint64_t layout : {kMono, kStereo, kSurround51, kSurround71}) {
      if (codec == AudioCodec::Aac && layout == kSurround71)
        continue;  // FFmpeg's writes it, its decoder takes it for another
      CAPTURE(to_string(codec), layout);
      auto opened = AudioEncoder::open({.codec = codec, .layout = layout, .bit_rate = 0});
      REQUIRE(opened);
      AudioEncoder& encoder = **opened;
      const AudioStreamParameters& stream = encoder.stream();
      REQUIRE(stream.frame_samples > 0);
      CHECK(stream.frame_samples % 8 == 0);  // whole ticks
      CHECK((stream.bit_rate == 0) == (stream.bit_depth == 24));
      Decoder decoder(stream);
      const std::size_t channels = AudioFormat{.layout = layout}.channels();
      const auto frame = static_cast<std::int64_t>(stream.frame_samples);
      std::int64_t expected = -static_cast<std::int64_t>(stream.priming) * 15 / 8;
      const auto receive = [&] {
        while (true) {
          const auto packet = encoder.receive();
          REQUIRE(packet);
          if (!*packet) break;
          CHECK((*packet)->pts == expected);
          CHECK((*packet)->dts == expected);
          expected += frame * 15 / 8;
          decoder.decode(&**packet);
        }
      };
      std::int64_t position = 0;
      for (int i = 0; i < 60; ++i, position += frame) {
        REQUIRE(encoder.submit(position, tones(position, stream.frame_samples, channels)));
        receive();
      }
      REQUIRE(encoder.submit(position, tones(position, stream.frame_samples / 2, channels)));
      REQUIRE(encoder.drain());
      receive();
      decoder.decode(nullptr);
      // An AAC stream does not say how much of its beginning is none; an Opus one does, and its decoder heeds it.
      const std::size_t skipped = codec == AudioCodec::Aac ? stream.priming : 0;
      REQUIRE(decoder.channels.size() == channels);
      for (std::size_t c = 0; c < channels; ++c) {
        CAPTURE(c);
        REQUIRE(decoder.channels[c].size() >= skipped + 40'000);
        const std::span middle = std::span(decoder.channels[c]).subspan(skipped + 20'000, 4'800);
        CHECK(std::abs(lateness(middle, 20'000, hertz_of(c))) < 0.01 / hertz_of(c));  // four degrees
        CHECK(purity(middle, 20'000, hertz_of(c)) > 0.98);
      }
    }
  }
}

TEST_CASE("what an encoder does not take is refused") {
  const auto too_much = AudioEncoder::open({.codec = AudioCodec::Opus, .layout = kStereo, .bit_rate = 10'000'000});
  REQUIRE_FALSE(too_much);
  CHECK(too_much.error().kind == ErrorKind::Unsupported);
  CHECK(too_much.error().message().find("10000000 bit/s") != std::string::npos);
  auto encoder = AudioEncoder::open({});
  REQUIRE(encoder);
  const std::vector<float> long_one(2 * ((*encoder)->stream().frame_samples + 1));
  CHECK_FALSE((*encoder)->submit(0, long_one));
  CHECK_FALSE((*encoder)->submit(0, {}));
}
