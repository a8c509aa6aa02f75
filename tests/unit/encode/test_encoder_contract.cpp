// What every Encoder promises, checked over every row of the table, preset, depth and chroma it offers.
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "encode_support.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{320, 192};

struct Case {
  const EncoderRow* row;
  Preset preset;
  unsigned bit_depth;
  Chroma chroma;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const EncoderRow* row : rows_under_test()) {
    for (const Preset preset : {Preset::LowLatency, Preset::Balanced, Preset::Quality}) {
      for (const unsigned depth : {8U, 10U}) {
        for (const Chroma chroma : {Chroma::Yuv420, Chroma::Yuv444}) {
          if (row->input_format(depth, chroma)) cases.push_back({row, preset, depth, chroma});
        }
      }
    }
  }
  return cases;
}

std::string describe(const Case& c) {
  const char* preset = c.preset == Preset::LowLatency ? "low-latency"
                       : c.preset == Preset::Balanced ? "balanced"
                                                      : "quality";
  return std::string(c.row->name) + " " + preset + " " + std::to_string(c.bit_depth) + " bit " +
         (c.chroma == Chroma::Yuv444 ? "4:4:4" : "4:2:0");
}

EncoderSettings settings_for(const Case& c) {
  EncoderSettings settings;
  settings.preset = c.preset;
  settings.bit_depth = c.bit_depth;
  settings.chroma = c.chroma;
  return settings;
}

std::unique_ptr<Encoder> open(const EncoderRow& row, const EncoderSettings& settings,
                              const VideoParameters& video = {.size = kSize, .rate = {30, 1}, .threads = 2}) {
  auto encoder = open_ffmpeg_encoder(row, settings, video);
  if (!encoder) FAIL(row.name << ": " << encoder.error().message());
  return std::move(*encoder);
}

/// One for each case; SECTIONs would open an encoder per section.
Case any_case() {
  static const std::vector<Case> cases = all_cases();
  return cases.at(GENERATE_COPY(range(std::size_t{0}, cases.size())));
}

/// Irregular but exact in the packet clock: 7 to 61 ms apart.
Nanoseconds jittered(std::uint32_t n) {
  std::int64_t milliseconds = 0;
  for (std::uint32_t i = 0; i < n; ++i) milliseconds += 7 + (i * 37 + 11) % 55;
  return std::chrono::milliseconds(milliseconds);
}

}  // namespace

TEST_CASE("every picture comes back in order, at its time, with its content and colour tags") {
  const Case c = any_case();
  CAPTURE(describe(c));
  constexpr std::uint32_t kCount = 40;
  auto encoder = open(*c.row, settings_for(c));
  CHECK(encoder->name() == c.row->name);
  const SurfaceFormat input = encoder->input();
  CHECK(input.format == *c.row->input_format(c.bit_depth, c.chroma));

  const EncodeRun run = encode(*encoder, kCount, jittered);
  REQUIRE(run.packets.size() == kCount);
  CHECK(run.packets.front().keyframe);
  for (std::size_t i = 1; i < run.packets.size(); ++i) CHECK(run.packets[i].dts > run.packets[i - 1].dts);
  std::map<std::int64_t, std::int64_t> duration_at;
  for (const Packet& packet : run.packets) {
    CHECK(packet.dts <= packet.pts);
    CHECK(packet.duration > 0);
    CHECK_FALSE(packet.bytes().empty());
    duration_at[packet.pts] = packet.duration;
  }

  const StreamParameters& stream = encoder->stream();
  CHECK(stream.codec == c.row->codec);
  CHECK(stream.size == kSize);
  CHECK(stream.bit_depth == c.bit_depth);
  CHECK_FALSE(stream.extradata.empty());
  CHECK(stream.profile >= 0);
  CHECK(stream.level >= 0);

  auto decoder = Decoder::open(stream, run.packets);
  REQUIRE(decoder);
  for (std::uint32_t number = 0; number < kCount; ++number) {
    CAPTURE(number);
    auto next = decoder->next();
    REQUIRE(next);
    REQUIRE(*next);
    const DecodedFrame& frame = **next;
    CHECK(frame.pts == to_packet_clock(jittered(number)));
    CHECK(frame.size == kSize);
    CHECK(frame.bit_depth == c.bit_depth);
    CHECK(frame.planes[1].size.width == (c.chroma == Chroma::Yuv444 ? kSize.width : kSize.width / 2));
    CHECK(frame.colour == kBt709Limited);
    const auto mark = frame.mark(kSize);
    REQUIRE(mark);
    CHECK(mark->frame == number);
    CHECK(mark->time == jittered(number));
    const PlanarCopy original(make_picture(input, number, jittered(number)));
    CHECK(psnr(frame.planes[0], original.plane(0), c.bit_depth) > 32);
    CHECK(psnr(frame.planes[1], original.plane(1), c.bit_depth) > 32);
    CHECK(psnr(frame.planes[2], original.plane(2), c.bit_depth) > 32);
  }
  auto end = decoder->next();
  REQUIRE(end);
  CHECK_FALSE(*end);
  CHECK(decoder->decode_errors() == 0);
  constexpr int kConstrained = 1 << 9;  // libavcodec's decoder adds it for H.264's constraint_set1_flag
  CHECK((decoder->info().profile & ~kConstrained) == stream.profile);
  CHECK(decoder->info().level == stream.level);
}

TEST_CASE("low latency gives each picture's packet before the next picture, and so again after a keyframe") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  if (!row.low_latency_caveat.empty()) SKIP(row.name << ": " << row.low_latency_caveat);
  // By the preset, or by the tune alone.
  const auto tune =
      GENERATE(std::optional<Tune>(), std::optional(Tune::LowLatency), std::optional(Tune::UltraLowLatency));
  const bool by_rate = GENERATE(false, true);
  EncoderSettings settings;
  settings.preset = tune ? Preset::Balanced : Preset::LowLatency;
  settings.tune = tune;
  if (by_rate) settings.bit_rate = 1'000'000;
  auto encoder = open(row, settings);
  const EncodeRun run = encode(*encoder, 30, at_rate(30), [&](std::uint32_t n) {
    if (n == 7) encoder->request_keyframe();
    if (by_rate && n == 15) CHECK(encoder->set_bitrate(2'000'000, true));
  });
  for (std::size_t i = 0; i < run.received_after.size(); ++i) CHECK(run.received_after[i] == i + 1);
  CHECK_FALSE(encoder->stream().has_b_frames);
}

TEST_CASE("at most 0.4 seconds of pictures stay inside the encoder") {
  const EncoderRow& row = any_row();
  const Preset preset = GENERATE(Preset::Balanced, Preset::Quality);
  const unsigned fps = GENERATE(10U, 30U, 60U);
  CAPTURE(row.name, static_cast<int>(preset), fps);
  // Its packets come as its threads finish, so how many are out after a submit depends on the machine's load.
  if (row.codec == Codec::AV1) SKIP("SVT-AV1 works asynchronously");
  EncoderSettings settings;
  settings.preset = preset;
  auto encoder = open(row, settings, {.size = kSize, .rate = {fps, 1}, .threads = 8});
  const EncodeRun run = encode(*encoder, 90, at_rate(fps));
  CHECK(run.packets.size() == 90);
  CHECK(static_cast<double>(run.max_inside) <= kMaxDelaySeconds * fps);
}

TEST_CASE("a requested keyframe comes with the next picture and a decoder can start there") {
  const EncoderRow& row = any_row();
  const Preset preset = GENERATE(Preset::LowLatency, Preset::Balanced, Preset::Quality);
  CAPTURE(row.name, static_cast<int>(preset));
  EncoderSettings settings;
  settings.preset = preset;
  settings.gop_seconds = 60;
  auto encoder = open(row, settings);
  constexpr std::uint32_t kRequested = 13;
  const EncodeRun run = encode(*encoder, 30, at_rate(30), [&](std::uint32_t n) {
    if (n == kRequested) encoder->request_keyframe();
  });
  const std::int64_t wanted = to_packet_clock(at_rate(30)(kRequested));
  const auto key = std::ranges::find(run.packets, wanted, &Packet::pts);
  REQUIRE(key != run.packets.end());
  CHECK(key->keyframe);
  // Nothing after it in decoding order is shown before it: the group is closed.
  CHECK(std::all_of(key, run.packets.end(), [&](const Packet& p) { return p.pts >= wanted; }));

  auto decoder = Decoder::open(encoder->stream(), std::span(key, run.packets.end()));
  REQUIRE(decoder);
  for (std::uint32_t number = kRequested; number < 30; ++number) {
    auto next = decoder->next();
    REQUIRE(next);
    REQUIRE(*next);
    const auto mark = (*next)->mark(kSize);
    REQUIRE(mark);
    CHECK(mark->frame == number);
  }
  CHECK(decoder->decode_errors() == 0);
}

TEST_CASE("flushed, an encoder gives all that it holds, and goes on with a keyframe") {
  const EncoderRow& row = any_row();
  const Preset preset = GENERATE(Preset::LowLatency, Preset::Balanced, Preset::Quality);
  CAPTURE(row.name, static_cast<int>(preset));
  EncoderSettings settings;
  settings.preset = preset;
  settings.gop_seconds = 60;
  auto encoder = open(row, settings);
  REQUIRE(encoder->flush());  // it holds nothing yet
  constexpr std::uint32_t kFlushed = 13;
  constexpr std::uint32_t kCount = 30;
  const EncodeRun run = encode(*encoder, kCount, jittered, [&](std::uint32_t n) {
    if (n == kFlushed) CHECK(encoder->flush());
  });
  REQUIRE(run.packets.size() == kCount);
  CHECK(run.received_after.at(kFlushed) >= kFlushed);
  const std::int64_t wanted = to_packet_clock(jittered(kFlushed));
  for (std::size_t i = 0; i < run.packets.size(); ++i) {
    const Packet& packet = run.packets[i];
    CHECK(packet.dts <= packet.pts);
    if (i > 0) CHECK(packet.dts > run.packets[i - 1].dts);
    CHECK((packet.pts < wanted) == (i < kFlushed));
  }
  CHECK(run.packets.at(kFlushed).pts == wanted);
  CHECK(run.packets.at(kFlushed).keyframe);
  auto decoder = Decoder::open(encoder->stream(), run.packets);
  REQUIRE(decoder);
  for (std::uint32_t number = 0; number < kCount; ++number) {
    auto next = decoder->next();
    REQUIRE(next);
    REQUIRE(*next);
    const auto mark = (*next)->mark(kSize);
    REQUIRE(mark);
    CHECK(mark->frame == number);
  }
  CHECK(decoder->decode_errors() == 0);
}

TEST_CASE("keyframes follow the stream's time, not the count of pictures") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  EncoderSettings settings;
  settings.gop_seconds = 1;
  // A tenth of the expected rate: a static screen.
  auto encoder = open(row, settings, {.size = kSize, .rate = {50, 1}, .threads = 2});
  const EncodeRun run = encode(*encoder, 21, at_rate(5));
  std::int64_t last = 0;
  std::size_t keyframes = 0;
  for (const Packet& packet : run.packets) {
    if (!packet.keyframe) continue;
    CHECK(packet.pts - last <= kPacketClock);
    last = packet.pts;
    ++keyframes;
  }
  CHECK(keyframes == 5);
}

TEST_CASE("a packet's duration reaches to the next picture once that is known") {
  EncoderSettings settings;
  settings.options = {{"x264-params", "bframes=0:rc-lookahead=5:sync-lookahead=0"}};
  auto encoder = open(*find_encoder_row("libx264"), settings);
  const EncodeRun run = encode(*encoder, 20, jittered);
  REQUIRE(run.packets.size() == 20);
  for (std::uint32_t n = 0; n + 1 < 20; ++n) {
    CHECK(run.packets[n].duration == to_packet_clock(jittered(n + 1)) - to_packet_clock(jittered(n)));
  }
  CHECK(run.packets.back().duration == kPacketClock / 30);
}
