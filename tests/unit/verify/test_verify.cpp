// Files made here, read back.
#include "media_support.h"
#include "verify_support.h"

#include <sys/stat.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;
using verify::VerifyReport;

TEST_CASE("a whole stream is sound in every container and codec") {
  struct Case {
    std::string_view encoder;
    Container container;
    unsigned bit_depth;
  };
  const Case test = GENERATE(
      Case{"libx264", Container::Mkv, 8}, Case{"libx264", Container::Mp4, 8}, Case{"libx264", Container::Ts, 8},
      Case{"libx264", Container::Mkv, 10}, Case{"libx265", Container::Mkv, 8}, Case{"libx265", Container::Mp4, 10},
      Case{"libx265", Container::Ts, 8}, Case{"libsvtav1", Container::Mkv, 8}, Case{"libsvtav1", Container::Mp4, 10});
  CAPTURE(test.encoder, info(test.container).name, test.bit_depth);
  const Clip clip = make_clip({.encoder = test.encoder, .bit_depth = test.bit_depth});
  const TemporaryFolder folder;
  write_file(folder.file("clip"), test.container, clip);
  const VerifyReport report = verified(folder.file("clip"));
  CHECK(faults_of(report).empty());
  CHECK(report.codec == clip.stream.codec);
  CHECK(report.size == Size{320, 180});
  CHECK(report.bit_depth == test.bit_depth);
  CHECK(report.colour == kBt709Limited);
  CHECK(report.packets == 40);
  CHECK(report.order.pictures == 40);
  CHECK(report.order.marked == 40);
  CHECK(report.order.dropped == 0U);
  CHECK(report.order.duplicates == 0);
  CHECK(report.order.first_number == 0U);
  CHECK(report.order.last_number == 39U);
  CHECK(report.order.constant_interval.has_value());
  CHECK(report.keyframes >= 1);
  REQUIRE(report.quality);
  CHECK(report.quality->pictures == 40);
  CHECK(report.quality->psnr[0].min > 30);
  CHECK(report.quality->ssim.min > 0.9);
  CHECK_FALSE(report.latency);
}

TEST_CASE("the picture is compared in the stream's own colours") {
  const ColourDescription colour = GENERATE(
      ColourDescription{ColourMatrix::BT601, ColourRange::Limited, ColourPrimaries::BT601, TransferFunction::BT709},
      ColourDescription{ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020,
                        TransferFunction::BT2020_10},
      ColourDescription{ColourMatrix::BT709, ColourRange::Full, ColourPrimaries::BT709, TransferFunction::BT709});
  const TemporaryFolder folder;
  write_file(folder.file("clip.mkv"), Container::Mkv, make_clip({.count = 10, .colour = colour}));
  const VerifyReport report = verified(folder.file("clip.mkv"));
  CHECK(faults_of(report).empty());
  CHECK(report.colour == colour);
  REQUIRE(report.quality);
  CHECK(report.quality->psnr[0].min > 30);
  CHECK(report.quality->psnr[1].min > 30);
}

TEST_CASE("lossless RGB comes back sample by sample") {
  const std::string_view encoder = GENERATE("libx264", "libx265");
  const Container container = GENERATE(Container::Mkv, Container::Mp4);
  CAPTURE(encoder, info(container).name);
  const TemporaryFolder folder;
  write_file(folder.file("clip"), container,
             make_clip({.encoder = encoder, .count = 10, .colour = kRgbFull, .preset = Preset::Lossless}));
  const VerifyReport report = verified(folder.file("clip"));
  CHECK(faults_of(report).empty());
  CHECK(report.pixel_format == "gbrp");
  CHECK(report.colour == kRgbFull);
  REQUIRE(report.quality);
  CHECK(report.quality->exact == 10);
}

TEST_CASE("HDR metadata is in the bitstream and in the container") {
  const HdrMetadata hdr{MasteringDisplay{.red = {34000, 16000},
                                         .green = {13250, 34500},
                                         .blue = {7500, 3000},
                                         .white = {15635, 16450},
                                         .max_luminance = 10'000'000,
                                         .min_luminance = 500},
                        ContentLight{1000, 400}};
  const ColourDescription pq{ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020, TransferFunction::PQ};
  const std::string_view encoder = GENERATE("libx265", "libsvtav1");
  CAPTURE(encoder);
  Clip clip = make_clip({.encoder = encoder, .count = 10, .bit_depth = 10, .colour = pq, .hdr = hdr});
  CHECK(clip.stream.hdr == hdr);
  const auto check = [&](const VerifyReport& report) {
    CHECK(faults_of(report).empty());
    CHECK(report.colour == pq);
    REQUIRE(report.hdr.mastering);
    const auto near = [](std::uint32_t a, std::uint32_t b, std::uint32_t most) {
      return std::max(a, b) - std::min(a, b) <= most;
    };
    // AV1 has chromaticities in 2^-16, and luminances in 2^-8 and 2^-14.
    CHECK(near(report.hdr.mastering->red.x, hdr.mastering->red.x, 1));
    CHECK(near(report.hdr.mastering->green.y, hdr.mastering->green.y, 1));
    CHECK(near(report.hdr.mastering->blue.x, hdr.mastering->blue.x, 1));
    CHECK(near(report.hdr.mastering->white.y, hdr.mastering->white.y, 1));
    CHECK(near(report.hdr.mastering->max_luminance, hdr.mastering->max_luminance, 40));
    CHECK(near(report.hdr.mastering->min_luminance, hdr.mastering->min_luminance, 1));
    CHECK(report.hdr.light == hdr.light);
  };
  const TemporaryFolder folder;
  write_file(folder.file("clip.mp4"), Container::Mp4, clip);
  std::ifstream file(folder.file("clip.mp4"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  CHECK(bytes.find("mdcv") != std::string::npos);
  CHECK(bytes.find("clli") != std::string::npos);
  check(verified(folder.file("clip.mp4")));
  clip.stream.hdr = {};  // the container says nothing: what is read is the bitstream's
  write_file(folder.file("bare.mkv"), Container::Mkv, clip);
  check(verified(folder.file("bare.mkv")));
}

TEST_CASE("packets that are left out are missing pictures") {
  const Container container = GENERATE(Container::Mkv, Container::Mp4, Container::Ts);
  CAPTURE(info(container).name);
  const TemporaryFolder folder;
  // Whole groups of two: the rest decodes as if they had never been there.
  const Clip groups = make_clip({.gop_seconds = 0.1, .low_latency = true});
  write_file(folder.file("groups"), container, groups, [](std::size_t i) { return i < 14 || (i > 17 && i / 2 != 15); });
  const VerifyReport gappy = verified(folder.file("groups"));
  CHECK(gappy.order.dropped == 6U);
  CHECK((gappy.order.missing == std::vector<verify::NumberRange>{{14, 17}, {30, 31}}));
  CHECK(gappy.order.pictures == 34);
  CHECK(faults_of(gappy) == "dropped 6");
  // Out of the middle of a group: what follows is damaged, or not shown at all.
  const Clip clip = make_clip({.gop_seconds = 1, .low_latency = true});
  write_file(folder.file("clip"), container, clip, [](std::size_t i) { return i < 15 || (i > 17 && i != 30); });
  const VerifyReport report = verified(folder.file("clip"));
  CHECK(report.order.dropped.value_or(0) >= 4U);
  CHECK(report.order.pictures <= 36);

  verify::VerifyOptions lenient;
  lenient.allowed = {verify::FaultKind::Dropped, verify::FaultKind::Decode, verify::FaultKind::Quality,
                     verify::FaultKind::Illegible};
  const VerifyReport allowed = verified(folder.file("clip"), lenient);
  CHECK(faults_of(allowed).empty());
  CHECK_FALSE(allowed.allowed.empty());
}

TEST_CASE("without numbers in the picture the constant rate tells") {
  const Clip clip = make_clip({.gop_seconds = 0.1, .low_latency = true, .marked = false});
  const TemporaryFolder folder;
  write_file(folder.file("whole.mkv"), Container::Mkv, clip);
  const VerifyReport whole = verified(folder.file("whole.mkv"));
  CHECK(faults_of(whole).empty());
  CHECK(whole.order.marked == 0);
  CHECK(whole.order.dropped == 0U);
  CHECK_FALSE(whole.quality);
  write_file(folder.file("gappy.mkv"), Container::Mkv, clip, [](std::size_t i) { return i != 11 && i != 12; });
  CHECK(verified(folder.file("gappy.mkv")).order.dropped == 2U);
}

TEST_CASE("older pictures after newer ones, repeats and gaps") {
  const TemporaryFolder folder;
  const Clip swapped = make_clip({.count = 20, .number = [](std::uint32_t n) { return n == 9 ? 4 : n; }});
  write_file(folder.file("swapped.mkv"), Container::Mkv, swapped);
  const VerifyReport report = verified(folder.file("swapped.mkv"));
  CHECK(report.order.out_of_order == 1);
  CHECK(report.order.dropped == 1U);
  CHECK(faults_of(report) == "dropped 1, out-of-order 1");

  const Clip repeated = make_clip({.count = 20, .number = [](std::uint32_t n) { return n / 2; }});
  write_file(folder.file("repeated.mkv"), Container::Mkv, repeated);
  CHECK(faults_of(verified(folder.file("repeated.mkv"))).empty());
  CHECK(verified(folder.file("repeated.mkv")).order.duplicates == 10);

  const Clip late = make_clip({.count = 20, .time = [](std::uint32_t n) {
                                 return std::chrono::milliseconds(50) * n + std::chrono::seconds(n < 10 ? 0 : 3);
                               }});
  write_file(folder.file("late.mkv"), Container::Mkv, late);
  CHECK(faults_of(verified(folder.file("late.mkv"))) == "gap 1");
  verify::VerifyOptions patient;
  patient.max_gap = std::chrono::seconds(4);
  CHECK(faults_of(verified(folder.file("late.mkv"), patient)).empty());
}

TEST_CASE("a picture unlike the source's is a fault") {
  const TemporaryFolder folder;
  const Clip clip = make_clip({.count = 20});
  write_file(folder.file("clip.mkv"), Container::Mkv, clip);
  verify::VerifyOptions strict;
  strict.min_psnr = 99;
  CHECK(faults_of(verified(folder.file("clip.mkv"), strict)) == "quality 20");
}

TEST_CASE("reading ends after the time that was asked for") {
  const TemporaryFolder folder;
  write_file(folder.file("clip.mkv"), Container::Mkv, make_clip({.low_latency = true}));
  verify::VerifyOptions options;
  options.duration = std::chrono::seconds(1);
  const VerifyReport report = verified(folder.file("clip.mkv"), options);
  CHECK(faults_of(report).empty());
  // A second of 20 pictures, and what the decoder's threads held.
  CHECK(report.order.pictures >= 20);
  CHECK(report.packets < 40);
  options.stopped = [] { return true; };
  options.input = folder.file("clip.mkv");
  const auto stopped = verify::verify_stream(options);
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().kind == ErrorKind::Cancelled);
}

TEST_CASE("what is no stream is told in one line") {
  const TemporaryFolder folder;
  const auto error_of = [](const std::string& input) {
    verify::VerifyOptions options;
    options.input = input;
    options.decoder = DecoderBackend::Software;
    options.timeout = std::chrono::milliseconds(300);
    const auto report = verify::verify_stream(options);
    REQUIRE_FALSE(report);
    CHECK(report.error().message().find('\n') == std::string::npos);
    return report.error();
  };
  CHECK(error_of(folder.file("missing.mkv")).kind == ErrorKind::NotFound);
  CHECK(error_of(folder.path()).kind == ErrorKind::Invalid);
  std::ofstream(folder.file("empty.mkv")).close();
  CHECK(error_of(folder.file("empty.mkv")).detail == "it is empty");
  std::ofstream(folder.file("text.mkv")) << std::string(5000, 'x');
  CHECK(error_of(folder.file("text.mkv")).kind == ErrorKind::Invalid);
  REQUIRE(::mkfifo(folder.file("fifo").c_str(), 0600) == 0);
  CHECK(error_of(folder.file("fifo")).kind == ErrorKind::Timeout);
  CHECK(error_of("gopher://127.0.0.1:7").kind == ErrorKind::Invalid);
  CHECK(error_of("udp://127.0.0.1:47913").kind == ErrorKind::Timeout);
  CHECK(error_of("tcp://127.0.0.1:9").kind == ErrorKind::Lost);
}

namespace {

/// x264's sequence parameter set up to its VUI, without one, and what follows it (ITU-T H.264 7.3.2.1.1).
std::vector<std::byte> without_usability(const std::vector<std::byte>& headers) {
  std::vector<bool> bits;
  const auto start = std::ranges::find(headers, std::byte{0x67});
  auto end = start;
  unsigned zeros = 0;
  for (; end != headers.end() && !(zeros >= 2 && *end <= std::byte{1}); ++end) {
    const bool prevention = zeros >= 2 && *end == std::byte{3};
    zeros = *end == std::byte{0} ? zeros + 1 : 0;
    if (prevention) continue;
    for (unsigned bit = 8; bit-- > 0;) bits.push_back((std::to_integer<unsigned>(*end) >> bit & 1U) != 0);
  }
  end -= zeros;  // of the next start code
  std::size_t at = 32;
  const auto ue = [&] {
    unsigned length = 0;
    while (!bits.at(at)) ++length, ++at;
    unsigned value = 0;
    for (unsigned i = 0; i <= length; ++i) value = value * 2 + (bits.at(at++) ? 1 : 0);
    return value - 1;
  };
  ue();
  if (std::to_integer<unsigned>(start[1]) >= 100) {
    for (int i = 0; i < 3; ++i) ue();
    at += 2;
  }
  ue();
  if (ue() == 0) ue();
  ue();
  at += 1;
  ue();
  ue();
  at += 2;
  if (bits.at(at++)) {
    for (int i = 0; i < 4; ++i) ue();
  }
  bits.resize(at);
  bits.push_back(false);  // no VUI
  bits.push_back(true);   // the end
  while (bits.size() % 8 != 0) bits.push_back(false);
  std::vector<std::byte> result(headers.begin(), start);
  for (std::size_t i = 0; i < bits.size(); i += 8) {
    unsigned byte = 0;
    for (std::size_t j = 0; j < 8; ++j) byte = byte * 2 + (bits[i + j] ? 1 : 0);
    result.push_back(static_cast<std::byte>(byte));
  }
  result.insert(result.end(), end, headers.end());
  return result;
}

}  // namespace

TEST_CASE("a header that lets decoders wait for an order that no picture has is a fault") {
  Clip clip = make_clip({.low_latency = true});
  const TemporaryFolder folder;
  write_file(folder.file("told.mkv"), Container::Mkv, clip);
  const VerifyReport told = verified(folder.file("told.mkv"));
  CHECK(faults_of(told).empty());
  REQUIRE(told.reordering);
  CHECK(told.reordering->pictures == 0U);
  CHECK_FALSE(told.reordered);

  clip.stream.extradata = without_usability(clip.stream.extradata);
  write_file(folder.file("not.mkv"), Container::Mkv, clip);
  const VerifyReport report = verified(folder.file("not.mkv"));
  CHECK(faults_of(report) == "reorder 1");
  REQUIRE(report.reordering);
  CHECK_FALSE(report.reordering->pictures);
  CHECK(report.reordering->expected > 0);
  verify::VerifyOptions lenient;
  lenient.allowed = {verify::FaultKind::Reorder};
  CHECK(faults_of(verified(folder.file("not.mkv"), lenient)).empty());
}

TEST_CASE("B-frames that a header announces are no fault") {
  const TemporaryFolder folder;
  write_file(folder.file("clip.mp4"), Container::Mp4, make_clip({.preset = Preset::Quality, .options = {{"bf", "3"}}}));
  const VerifyReport report = verified(folder.file("clip.mp4"));
  CHECK(faults_of(report).empty());
  REQUIRE(report.reordering);
  CHECK(report.reordering->pictures.value_or(0) > 0);
  CHECK(report.reordered);
}

TEST_CASE("pictures beyond the level of their header are a fault") {
  const TemporaryFolder folder;
  // 240 macroblocks of 99, 4800 a second of 1485.
  write_file(folder.file("clip.mkv"), Container::Mkv, make_clip({.low_latency = true, .options = {{"level", "10"}}}));
  const VerifyReport report = verified(folder.file("clip.mkv"));
  CHECK(report.level == 10);
  CHECK(faults_of(report) == "level 1, level 1");
}
