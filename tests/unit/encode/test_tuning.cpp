// The settings that most never touch: what each encoder makes of them, and what it says when it lacks them.
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "encode/rate_control.h"
#include "encode_support.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <cstring>

using namespace zc;
using namespace zc::test;
using Catch::Matchers::ContainsSubstring;

namespace {

VideoParameters video() { return {.size = {320, 192}, .rate = {30, 1}, .threads = 2}; }

struct Wish {
  Feature feature;
  void (*make)(EncoderSettings&);
};

constexpr std::array kWishes = {
    Wish{Feature::BFrames, [](EncoderSettings& s) { s.b_frames = 2; }},
    Wish{Feature::Lookahead, [](EncoderSettings& s) { s.lookahead = 8; }},
    Wish{Feature::SpatialAq, [](EncoderSettings& s) { s.spatial_aq = true; }},
    Wish{Feature::TemporalAq, [](EncoderSettings& s) { s.temporal_aq = true; }},
    Wish{Feature::Multipass, [](EncoderSettings& s) { s.multipass = Multipass::Full; }},
    Wish{Feature::IntraRefresh, [](EncoderSettings& s) { s.intra_refresh = true; }},
    Wish{Feature::Lossless, [](EncoderSettings& s) { s.preset = Preset::Lossless; }},
    Wish{Feature::VariableRate,
         [](EncoderSettings& s) {
           s.bit_rate = 1'000'000;
           s.rate_control = RateControl::Vbr;
         }},
};

EncoderSettings settings_of(const Wish& wish) {
  EncoderSettings settings;
  wish.make(settings);
  return settings;
}

std::size_t keyframes(const EncodeRun& run) {
  return static_cast<std::size_t>(std::ranges::count_if(run.packets, &Packet::keyframe));
}

/// Packets with an IDR picture (H.264 7.4.1.2.4, H.265 7.4.2.2). x264 flags the start of each refresh as a keyframe
/// too.
std::size_t idr_pictures(const EncodeRun& run, Codec codec) {
  const auto has_idr = [codec](const Packet& packet) {
    if (codec == Codec::AV1) return packet.keyframe;  // no start codes to look for
    const auto bytes = packet.bytes();
    for (std::size_t i = 0; i + 3 < bytes.size(); ++i) {
      if (bytes[i] != std::byte{0} || bytes[i + 1] != std::byte{0} || bytes[i + 2] != std::byte{1}) continue;
      const auto header = std::to_integer<unsigned>(bytes[i + 3]);
      const unsigned hevc_type = header >> 1U & 0x3fU;
      if (codec == Codec::H264 ? (header & 0x1fU) == 5 : hevc_type == 19 || hevc_type == 20) return true;
    }
    return false;
  };
  return static_cast<std::size_t>(std::ranges::count_if(run.packets, has_idr));
}

bool same(const DecodedPlane& a, const DecodedPlane& b, std::size_t bytes_per_sample) {
  if (a.size != b.size) return false;
  for (std::size_t y = 0; y < a.size.height; ++y) {
    if (std::memcmp(a.data + y * a.stride_bytes, b.data + y * b.stride_bytes, a.size.width * bytes_per_sample) != 0) {
      return false;
    }
  }
  return true;
}

std::string refusal(const EncoderSettings& settings) {
  const auto result = validate(settings);
  if (result) return "";
  CHECK(result.error().kind == ErrorKind::Invalid);
  return result.error().message();
}

}  // namespace

TEST_CASE("an encoder has what its row lists and refuses by name what it does not") {
  const EncoderRow& row = any_row();
  for (const Wish& wish : kWishes) {
    CAPTURE(row.name, to_string(wish.feature));
    const EncoderSettings settings = settings_of(wish);
    CHECK(wanted_features(settings) == std::vector<Feature>{wish.feature});
    auto encoder = open_ffmpeg_encoder(row, settings, video());
    if (std::ranges::find(row.features, wish.feature) == row.features.end()) {
      REQUIRE_FALSE(encoder);
      CHECK(encoder.error().kind == ErrorKind::Unsupported);
      CHECK_THAT(encoder.error().message(), ContainsSubstring(std::string(to_string(wish.feature))));
      continue;
    }
    REQUIRE(encoder);
    CHECK(encode(**encoder, 12, at_rate(30)).packets.size() == 12);
  }
}

TEST_CASE("lossless gives every sample back") {
  const EncoderRow& row = any_row();
  if (std::ranges::find(row.features, Feature::Lossless) == row.features.end()) SKIP(row.name << " has none");
  if (row.hardware()) SKIP("the stand-in for NVENC codes at QP 0, which is not lossless in HEVC");
  EncoderSettings settings;
  settings.preset = Preset::Lossless;
  settings.bit_depth = row.input_format(10, Chroma::Yuv420) ? GENERATE(8U, 10U) : 8U;
  CAPTURE(row.name, settings.bit_depth);
  auto encoder = open_ffmpeg_encoder(row, settings, video());
  REQUIRE(encoder);
  const SurfaceFormat input = (*encoder)->input();
  const EncodeRun run = encode(**encoder, 6, at_rate(30));
  auto decoder = Decoder::open((*encoder)->stream(), run.packets);
  REQUIRE(decoder);
  for (std::uint32_t number = 0; number < 6; ++number) {
    auto next = decoder->next();
    REQUIRE(next);
    REQUIRE(*next);
    const PlanarCopy original(make_picture(input, number, at_rate(30)(number)));
    for (unsigned plane = 0; plane < 3; ++plane) {
      CHECK(same((*next)->planes.at(plane), original.plane(plane), (*next)->bytes_per_sample));
    }
  }
}

TEST_CASE("an infinite gop has the keyframes that were asked for, and no others") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  settings.gop_seconds = kInfiniteGop;
  auto encoder = open_ffmpeg_encoder(row, settings, video());
  REQUIRE(encoder);
  // At 4 pictures a second the ordinary 2 s would be 8 pictures.
  const EncodeRun run = encode(**encoder, 40, at_rate(4), [&](std::uint32_t n) {
    if (n == 21) (*encoder)->request_keyframe();
  });
  CHECK(run.packets.size() == 40);
  CHECK(keyframes(run) == 2);
}

TEST_CASE("with intra refresh no keyframe comes by itself, and every picture decodes") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  if (std::ranges::find(row.features, Feature::IntraRefresh) == row.features.end()) SKIP(row.name << " has none");
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  settings.gop_seconds = 0.5;
  settings.intra_refresh = true;
  auto encoder = open_ffmpeg_encoder(row, settings, video());
  REQUIRE(encoder);
  const EncodeRun run = encode(**encoder, 60, at_rate(30));
  CHECK(idr_pictures(run, row.codec) == 1);
  auto decoder = Decoder::open((*encoder)->stream(), run.packets);
  REQUIRE(decoder);
  std::size_t decoded = 0;
  while (true) {
    const auto next = decoder->next();
    REQUIRE(next);
    if (!*next) break;
    ++decoded;
  }
  CHECK(decoded == 60);
  CHECK(decoder->decode_errors() == 0);
}

TEST_CASE("the scale of speeds spans each encoder's presets") {
  for (const EncoderRow& row : encoder_rows()) {
    CAPTURE(row.name);
    EncoderSettings settings;
    const auto chosen = [&](unsigned speed) {
      settings.speed = speed;
      return &choose_native_preset(row, settings, video(), 2);
    };
    CHECK(chosen(7) == &row.presets.front());
    CHECK(chosen(1) == &row.presets.back());
    for (unsigned speed = 1; speed < kMaxSpeed; ++speed) CHECK(chosen(speed + 1) <= chosen(speed));
  }
  EncoderSettings settings;
  settings.speed = 4;
  CHECK(choose_native_preset(*find_encoder_row("hevc_nvenc"), settings, video(), 2).name == "p4");
}

TEST_CASE("what contradicts itself is refused with one line") {
  EncoderSettings settings;
  settings.rate_control = RateControl::Cbr;
  CHECK_THAT(refusal(settings), ContainsSubstring("needs a bit rate"));
  settings.bit_rate = 2'000'000;
  CHECK(refusal(settings).empty());
  settings.max_bit_rate = 3'000'000;
  CHECK_THAT(refusal(settings), ContainsSubstring("its own maximum"));
  settings.rate_control = RateControl::Vbr;
  CHECK(refusal(settings).empty());
  settings.max_bit_rate = 1'000'000;
  CHECK_THAT(refusal(settings), ContainsSubstring("2000000 (the bit rate)"));
  settings = {};
  settings.vbv_ms = 500;
  CHECK_THAT(refusal(settings), ContainsSubstring("needs a bit rate"));
  settings.bit_rate = 2'000'000;
  settings.vbv_ms = 20;
  CHECK_THAT(refusal(settings), ContainsSubstring("50 to 10000 ms"));
  settings = {};
  settings.preset = Preset::Lossless;
  settings.crf = 20;
  CHECK_THAT(refusal(settings), ContainsSubstring("lossless"));
  settings = {};
  settings.speed = 8;
  CHECK_THAT(refusal(settings), ContainsSubstring("1 to 7"));
  settings = {};
  settings.b_frames = 5;
  CHECK_THAT(refusal(settings), ContainsSubstring("0 to 4"));
  settings.b_frames = 2;
  settings.tune = Tune::UltraLowLatency;
  CHECK_THAT(refusal(settings), ContainsSubstring("low latency has none"));
  settings.tune = Tune::HighQuality;
  settings.intra_refresh = true;
  CHECK_THAT(refusal(settings), ContainsSubstring("excludes B-frames"));
  settings.b_frames.reset();
  settings.gop_seconds = kInfiniteGop;
  CHECK_THAT(refusal(settings), ContainsSubstring("finite gop"));
}

TEST_CASE("the receiver's buffer follows the rate control") {
  EncoderSettings settings;
  settings.bit_rate = 4'000'000;
  const EncoderRow& row = *find_encoder_row("libx264");
  const auto plan_of = [&] {
    CodecPlan plan;
    set_vbv({.row = row,
             .settings = settings,
             .video = video(),
             .native = row.presets.front(),
             .processors = 2,
             .max_delay = 0},
            plan);
    return std::pair(plan.max_bit_rate, plan.buffer_bits);
  };
  CHECK(plan_of() == std::pair<std::int64_t, std::int64_t>(6'000'000, 6'000'000));
  settings.max_bit_rate = 5'000'000;
  settings.vbv_ms = 200;
  CHECK(plan_of() == std::pair<std::int64_t, std::int64_t>(5'000'000, 1'000'000));
  settings.max_bit_rate.reset();
  settings.vbv_ms.reset();
  settings.preset = Preset::LowLatency;
  CHECK(plan_of() == std::pair<std::int64_t, std::int64_t>(4'000'000, 2'000'000));
  settings.rate_control = RateControl::Vbr;
  CHECK(plan_of() == std::pair<std::int64_t, std::int64_t>(6'000'000, 6'000'000));
}
