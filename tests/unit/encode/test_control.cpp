// Errors of use, bit rates, and what the probe and the log say.
#include "encode/ffmpeg_encoder.h"
#include "encode/probe.h"
#include "encode_support.h"
#include "media/av_log.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <numeric>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/log.h>
}

using namespace zc;
using namespace zc::test;
using Catch::Matchers::ContainsSubstring;

namespace {

const VideoParameters kVideo{.size = {320, 192}, .rate = {30, 1}, .threads = 2};

std::unique_ptr<Encoder> open(const EncoderRow& row, const EncoderSettings& settings) {
  auto encoder = open_ffmpeg_encoder(row, settings, kVideo);
  if (!encoder) FAIL(encoder.error().message());
  return std::move(*encoder);
}

std::size_t bytes_of(std::span<const Packet> packets) {
  return std::accumulate(packets.begin(), packets.end(), std::size_t{0},
                         [](std::size_t sum, const Packet& p) { return sum + p.bytes().size(); });
}

}  // namespace

TEST_CASE("an encoder refuses what does not fit and goes on") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  auto encoder = open(row, {});
  const SurfaceFormat input = encoder->input();
  SurfaceFormat smaller = input;
  smaller.size = {160, 96};
  CHECK_FALSE(encoder->submit(make_picture(smaller, 0, {})));
  CHECK_FALSE(encoder->submit(Surface()));
  REQUIRE(encoder->submit(make_picture(input, 0, std::chrono::milliseconds(40))));
  CHECK_FALSE(encoder->submit(make_picture(input, 1, std::chrono::milliseconds(39))));
  REQUIRE(encoder->submit(make_picture(input, 1, std::chrono::milliseconds(80))));
  REQUIRE(encoder->drain());
  REQUIRE(encoder->drain());
  CHECK_FALSE(encoder->submit(make_picture(input, 2, std::chrono::milliseconds(120))));
  std::vector<std::int64_t> times;
  while (true) {
    const auto packet = encoder->receive();
    REQUIRE(packet);
    if (!*packet) break;
    times.push_back((*packet)->pts);
  }
  CHECK(times == std::vector<std::int64_t>{3600, 7200});
}

TEST_CASE("the caller's surface stays as it is and is not kept") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  auto encoder = open(row, settings);
  Surface surface = make_picture(encoder->input(), 0, {});
  surface.av_frame()->pts = 4242;
  const Surface shared = surface.share();
  REQUIRE(encoder->submit(surface));
  CHECK(surface.av_frame()->pts == 4242);
  CHECK(surface.av_frame()->pict_type == AV_PICTURE_TYPE_NONE);
  while (true) {
    const auto packet = encoder->receive();
    REQUIRE(packet);
    if (!*packet) break;
  }
  // Only the test's two references are left: the libraries copied the picture.
  CHECK(av_buffer_get_ref_count(surface.av_frame()->buf[0]) == 2);
}

TEST_CASE("an encoder can be thrown away at any moment") {
  const EncoderRow& row = any_row();
  const auto count = GENERATE(0U, 1U, 5U);
  const Preset preset = GENERATE(Preset::LowLatency, Preset::Balanced);
  CAPTURE(row.name, count);
  EncoderSettings settings;
  settings.preset = preset;
  auto encoder = open(row, settings);
  for (std::uint32_t n = 0; n < count; ++n) {
    REQUIRE(encoder->submit(make_picture(encoder->input(), n, at_rate(30)(n))));
    while (true) {
      const auto packet = encoder->receive();
      REQUIRE(packet);
      if (!*packet) break;
    }
  }
  encoder.reset();
  SUCCEED("it did not hang");
}

TEST_CASE("a bit rate is roughly kept, and can be changed") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  settings.bit_rate = 100'000;
  auto encoder = open(row, settings);
  CHECK(encoder->stream().bit_rate == 100'000);
  constexpr std::uint32_t kChange = 90;
  Result<Encoder::Change> changed = Encoder::Change::InPlace;
  const EncodeRun run = encode(*encoder, 180, at_rate(30), [&](std::uint32_t n) {
    if (n == kChange) changed = encoder->set_bitrate(400'000, true);
  });
  REQUIRE(run.packets.size() == 180);
  const std::span all(run.packets);
  const double before = static_cast<double>(bytes_of(all.subspan(30, 60))) * 8 / 2;
  const double after = static_cast<double>(bytes_of(all.subspan(120, 60))) * 8 / 2;
  CHECK(before > 40'000);
  CHECK(before < 200'000);
  REQUIRE(changed);
  CHECK((*changed == Encoder::Change::InPlace) == row.live_bitrate);
  CHECK(after > 2 * before);
  CHECK(encoder->stream().bit_rate == 400'000);
}

TEST_CASE("a setting changed in mid-stream costs no picture, and decoders go on") {
  const EncoderRow& row = any_row();
  const Preset preset = GENERATE(Preset::LowLatency, Preset::Balanced);
  CAPTURE(row.name, static_cast<int>(preset));
  EncoderSettings settings;
  settings.preset = preset;
  settings.bit_rate = 300'000;
  VideoParameters video = kVideo;
  video.in_band_headers = true;
  auto opened = open_ffmpeg_encoder(row, settings, video);
  REQUIRE(opened);
  Encoder& encoder = **opened;
  const StreamParameters first = encoder.stream();
  constexpr std::uint32_t kCount = 60;
  // 30 pictures/s, then 15.
  const auto time_of = [](std::uint32_t n) -> Nanoseconds {
    return n < 40 ? at_rate(30)(n) : at_rate(30)(40) + at_rate(15)(n - 40);
  };
  std::vector<std::int64_t> reopened_at;
  const auto note = [&](std::uint32_t n, const Result<Encoder::Change>& change) {
    REQUIRE(change);
    if (*change == Encoder::Change::Reopened) reopened_at.push_back(to_packet_clock(time_of(n)));
  };
  const EncodeRun run = encode(encoder, kCount, time_of, [&](std::uint32_t n) {
    if (n == 20) note(n, encoder.set_bitrate(600'000, true));
    if (n == 40) note(n, encoder.set_rate({15, 1}, true));
  });
  REQUIRE(run.packets.size() == kCount);
  for (std::size_t i = 1; i < kCount; ++i) CHECK(run.packets[i].dts > run.packets[i - 1].dts);
  for (const std::int64_t at : reopened_at) {
    const auto packet = std::ranges::find(run.packets, at, &Packet::pts);
    REQUIRE(packet != run.packets.end());
    CHECK(packet->keyframe);
  }
  auto decoder = Decoder::open(first, run.packets);
  REQUIRE(decoder);
  for (std::uint32_t number = 0; number < kCount; ++number) {
    CAPTURE(number);
    const auto frame = decoder->next();
    REQUIRE(frame);
    REQUIRE(*frame);
    CHECK((*frame)->pts == to_packet_clock(time_of(number)));
    const auto mark = (*frame)->mark(kVideo.size);
    REQUIRE(mark);
    CHECK(mark->frame == number);
  }
  CHECK(decoder->decode_errors() == 0);
}

TEST_CASE("an output that keeps its parameter sets is not given others") {
  const EncoderRow& row = any_row();
  CAPTURE(row.name);
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  settings.bit_rate = 300'000;
  auto opened = open_ffmpeg_encoder(row, settings, kVideo);
  REQUIRE(opened);
  Encoder& encoder = **opened;
  const std::vector<std::byte> sets = encoder.stream().extradata;
  const EncodeRun run = encode(encoder, 12, at_rate(30), [&](std::uint32_t n) {
    if (n != 6) return;
    for (const auto& change : {encoder.set_bitrate(4'000'000, false), encoder.set_rate({5, 1}, false)}) {
      if (!change) CHECK(change.error().kind == ErrorKind::Unsupported);
    }
  });
  CHECK(run.packets.size() == 12);
  CHECK(encoder.stream().extradata == sets);
}

TEST_CASE("x264's filled-up constant rate is changed by opening it anew") {
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  settings.bit_rate = 300'000;
  settings.rate_control = RateControl::Cbr;
  auto encoder = open(*find_encoder_row("libx264"), settings);
  const EncodeRun run = encode(*encoder, 90, at_rate(30), [&](std::uint32_t n) {
    if (n == 45) CHECK(encoder->set_bitrate(900'000, true).value() == Encoder::Change::Reopened);
  });
  REQUIRE(run.packets.size() == 90);
  CHECK(bytes_of(std::span(run.packets).subspan(60)) > 2 * bytes_of(std::span(run.packets).subspan(15, 30)));
}

TEST_CASE("a setting cannot be changed to nonsense, nor a bit rate where there is none") {
  EncoderSettings settings;
  auto constant_quality = open(*find_encoder_row("libx264"), settings);
  CHECK(constant_quality->set_bitrate(1'000'000, true).error().kind == ErrorKind::Unsupported);
  CHECK(constant_quality->set_rate({0, 1}, true).error().kind == ErrorKind::Invalid);
  CHECK(constant_quality->set_rate({20, 1}, true).value() == Encoder::Change::InPlace);
  CHECK(constant_quality->stream().nominal_rate == Rational{20, 1});
  // Its own count of pictures between keyframes was made for half of that.
  CHECK(constant_quality->set_rate({90, 1}, true).value() == Encoder::Change::Reopened);
  settings.bit_rate = 1'000'000;
  auto encoder = open(*find_encoder_row("libx264"), settings);
  CHECK(encoder->set_bitrate(0, true).error().kind == ErrorKind::Invalid);
  CHECK(encoder->set_bitrate(500'000, true));
}

TEST_CASE("a maximum bit rate keeps its proportion to the rate") {
  EncoderSettings settings;
  settings.bit_rate = 1'000'000;
  settings.max_bit_rate = 3'000'000;
  const EncoderSettings lower = with_bit_rate(settings, 500'000);
  CHECK(lower.bit_rate == 500'000);
  CHECK(lower.max_bit_rate == 1'500'000);
  CHECK(validate(lower));
  CHECK(validate(with_bit_rate(settings, 900'000'000)));
  settings.max_bit_rate.reset();
  CHECK_FALSE(with_bit_rate(settings, 500'000).max_bit_rate);
}

TEST_CASE("the probe encodes with every row and says why not") {
  const auto works_here = [](const EncoderRow& row) {
    return std::ranges::find(rows_under_test(), &row) != rows_under_test().end();
  };
  for (const EncoderReport& report : probe_encoders({320, 192}, 8, Chroma::Yuv420)) {
    CAPTURE(report.row->name, report.reason);
    if (works_here(*report.row) || !report.row->hardware()) {
      CHECK(report.usable);
      CHECK(report.reason.empty());
    } else if (!report.usable) {
      CHECK_FALSE(report.reason.empty());
    }
  }
  const auto wide = probe_encoders({320, 192}, 10, Chroma::Yuv444);
  REQUIRE(wide.size() == encoder_rows().size());
  for (const EncoderReport& report : wide) {
    CAPTURE(report.row->name, report.reason);
    if (!report.row->hardware()) CHECK(report.usable == report.row->input_format(10, Chroma::Yuv444).has_value());
    if (!report.usable) CHECK_THAT(report.reason, ContainsSubstring("10 bit 4:4:4"));
  }
  for (const EncoderReport& report : probe_encoders({48, 48}, 8, Chroma::Yuv420)) {
    if (!report.row->hardware()) CHECK(report.usable == (report.row->min_size.width <= 48));
    if (report.row->min_size.width > 48) CHECK_FALSE(report.usable);
  }
  for (const EncoderReport& report : probe_encoders({321, 192}, 8, Chroma::Yuv420)) {
    CHECK_FALSE(report.usable);
    CHECK_THAT(report.reason, ContainsSubstring("even"));
  }
}

TEST_CASE("a row that this FFmpeg lacks is refused with that reason") {
  EncoderRow row = encoder_rows().front();
  row.name = "libx266";
  const auto encoder = open_ffmpeg_encoder(row, {}, kVideo);
  REQUIRE_FALSE(encoder);
  CHECK(encoder.error().kind == ErrorKind::Unsupported);
  CHECK_THAT(encoder.error().message(), ContainsSubstring("this FFmpeg was built without libx266"));
}

TEST_CASE("FFmpeg's warnings of this thread are captured, nested and in whole lines") {
  const AvLogCapture outer;
  av_log(nullptr, AV_LOG_WARNING, "one ");
  av_log(nullptr, AV_LOG_WARNING, "line\n");
  {
    const AvLogCapture inner;
    av_log(nullptr, AV_LOG_ERROR, "inside\n");
    av_log(nullptr, AV_LOG_DEBUG, "not this\n");
    CHECK(inner.text() == "inside");
  }
  av_log(nullptr, AV_LOG_WARNING, "after\n");
  CHECK(outer.text() == "one line; after");
}
