// What is refused, with which words, and how the native preset is chosen.
#include "encode/encoder_chain.h"
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "encode_support.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <limits>
#include <string>

using namespace zc;
using namespace zc::test;
using Catch::Matchers::ContainsSubstring;

namespace {

const EncoderRow& row(std::string_view name) {
  const EncoderRow* found = find_encoder_row(name);
  REQUIRE(found != nullptr);
  return *found;
}

Error refusal(const EncoderRow& encoder, const EncoderSettings& settings,
              const VideoParameters& video = {.size = {320, 192}, .rate = {30, 1}, .threads = 2}) {
  const auto opened = open_ffmpeg_encoder(encoder, settings, video);
  if (opened) FAIL(encoder.name << " opened");
  return opened.error();
}

}  // namespace

TEST_CASE("settings out of range are refused by a line with the valid values") {
  EncoderSettings settings;
  std::string expected;
  SECTION("crf and bit rate") {
    settings.crf = 20;
    settings.bit_rate = 1'000'000;
    expected = "exclude each other";
  }
  SECTION("bit rate") {
    settings.bit_rate = 9'999;
    expected = "10000 to 1000000000 bit/s";
  }
  SECTION("gop") {
    settings.gop_seconds = GENERATE(0.0, -1.0, 601.0, std::numeric_limits<double>::quiet_NaN());
    expected = "0.1 to 600 seconds";
  }
  SECTION("bit depth") {
    settings.bit_depth = 12;
    expected = "12 is not one of 8, 10";
  }
  const auto result = validate(settings);
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == ErrorKind::Invalid);
  CHECK_THAT(result.error().message(), ContainsSubstring(expected));
  CHECK_FALSE(EncoderChain::create(settings));
}

TEST_CASE("every encoder names its own range of crf") {
  const EncoderRow& encoder = any_row();
  EncoderSettings settings;
  settings.crf = encoder.max_crf + 1;
  const Error error = refusal(encoder, settings);
  CHECK(error.kind == ErrorKind::Invalid);
  CHECK_THAT(error.message(),
             ContainsSubstring(std::to_string(encoder.min_crf) + " to " + std::to_string(encoder.max_crf)));
  for (const unsigned crf : {encoder.min_crf, encoder.max_crf}) {
    settings.crf = crf;
    CHECK(open_ffmpeg_encoder(encoder, settings, {.size = {320, 192}, .rate = {30, 1}, .threads = 2}));
  }
}

TEST_CASE("a combination that an encoder lacks is refused with what it can") {
  EncoderSettings settings;
  settings.chroma = Chroma::Yuv444;
  const Error error = refusal(row("libsvtav1"), settings);
  CHECK(error.kind == ErrorKind::Unsupported);
  CHECK_THAT(error.message(), ContainsSubstring("8 bit 4:4:4") && ContainsSubstring("8 bit 4:2:0, 10 bit 4:2:0"));
}

TEST_CASE("RGB and HDR metadata want pictures that can carry them") {
  EncoderSettings rgb;
  rgb.colour = kRgbFull;
  CHECK_THAT(refusal(row("libx264"), rgb).message(), ContainsSubstring("rgb needs chroma 444"));
  rgb.chroma = Chroma::Yuv444;
  CHECK(refusal(row("libsvtav1"), rgb).kind == ErrorKind::Unsupported);
  CHECK(refusal(row("h264_nvenc"), rgb).kind == ErrorKind::Unsupported);
  rgb.bit_depth = 10;
  CHECK_THAT(refusal(row("libx264"), rgb).message(), ContainsSubstring("rgb has 8 bits"));
  rgb.bit_depth = 8;
  rgb.colour.range = ColourRange::Limited;
  CHECK_THAT(refusal(row("libx264"), rgb).message(), ContainsSubstring("full range"));

  EncoderSettings hdr;
  hdr.hdr.light = ContentLight{1000, 400};
  CHECK_THAT(refusal(row("libx265"), hdr).message(), ContainsSubstring("transfer function pq"));
  hdr.colour.transfer = TransferFunction::PQ;
  CHECK_THAT(refusal(row("libx265"), hdr).message(), ContainsSubstring("10 bits"));
  hdr.bit_depth = 10;
  CHECK(refusal(row("libx264"), hdr).kind == ErrorKind::Unsupported);
  hdr.hdr.mastering = MasteringDisplay{};
  CHECK_THAT(refusal(row("libx265"), hdr).message(), ContainsSubstring("mastering display"));
  hdr.hdr.mastering.reset();
  CHECK(validate_for(row("libx265"), hdr, {.size = {320, 192}, .rate = {30, 1}}));
  CHECK(validate_for(row("hevc_vaapi"), hdr, {.size = {320, 192}, .rate = {30, 1}}));
  CHECK(refusal(row("hevc_nvenc"), hdr).message() == "hevc_nvenc: it has no HDR metadata here");
}

TEST_CASE("sizes") {
  const EncoderSettings settings;
  CHECK(encodable_size({1281, 721}) == Size{1280, 720});
  const Error odd = refusal(row("libx264"), settings, {.size = {321, 192}});
  CHECK(odd.kind == ErrorKind::Invalid);
  CHECK_THAT(odd.message(), ContainsSubstring("321x192") && ContainsSubstring("even"));
  const Error small = refusal(row("libsvtav1"), settings, {.size = {62, 64}});
  CHECK(small.kind == ErrorKind::Unsupported);
  CHECK_THAT(small.message(), ContainsSubstring("64x64"));
  CHECK(refusal(row("libx264"), settings, {.size = {}}).kind == ErrorKind::Invalid);
  CHECK(refusal(row("libx264"), settings, {.size = {64, 64}, .rate = {0, 1}}).kind == ErrorKind::Invalid);
}

TEST_CASE("every encoder takes its smallest size and sizes that are no multiple of a block") {
  const EncoderRow& encoder = any_row();
  const Size size = GENERATE_COPY(encoder.min_size, Size{130, 94}, Size{1366, 768});
  CAPTURE(encoder.name, size.width, size.height);
  if (size.width < encoder.min_size.width) SKIP("below its smallest size");
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  auto opened = open_ffmpeg_encoder(encoder, settings, {.size = size, .rate = {30, 1}, .threads = 2});
  REQUIRE(opened);
  const EncodeRun run = encode(**opened, 2, at_rate(30));
  REQUIRE(run.packets.size() == 2);
  auto decoder = Decoder::open((*opened)->stream(), run.packets);
  REQUIRE(decoder);
  const auto frame = decoder->next();
  REQUIRE(frame);
  REQUIRE(*frame);
  CHECK((*frame)->size == size);
}

TEST_CASE("the encoder's own options are passed on, unknown ones are named") {
  const EncoderRow& encoder = any_row();
  CAPTURE(encoder.name);
  EncoderSettings settings;
  SECTION("an unknown option") {
    settings.options = {{"colour-of-the-sky", "blue"}};
    const Error error = refusal(encoder, settings);
    CHECK(error.kind == ErrorKind::Invalid);
    CHECK_THAT(error.message(), ContainsSubstring("colour-of-the-sky"));
  }
  SECTION("a value that makes no sense") {
    settings.options = {{"preset", "supersonic"}};
    const Error error = refusal(encoder, settings);
    CHECK(error.kind == ErrorKind::Invalid);
    CHECK_THAT(error.message(), ContainsSubstring("supersonic"));
  }
  SECTION("an unknown parameter of the library") {
    if (encoder.parameter_option.empty()) SKIP("it has no parameter list of its own");
    settings.options = {{std::string(encoder.parameter_option), "colour-of-the-sky=blue"}};
    const Error error = refusal(encoder, settings);
    CHECK(error.kind == ErrorKind::Invalid);
    CHECK_THAT(error.message(), ContainsSubstring("colour-of-the-sky"));
  }
  SECTION("a generic option of libavcodec wins over ours") {
    settings.options = {{"g", "5"}};
    settings.gop_seconds = 60;
    auto opened = open_ffmpeg_encoder(encoder, settings, {.size = {320, 192}, .rate = {30, 1}, .threads = 2});
    REQUIRE(opened);
    const EncodeRun run = encode(**opened, 11, at_rate(30));
    unsigned keyframes = 0;
    for (const Packet& packet : run.packets) keyframes += packet.keyframe ? 1 : 0;
    CHECK(keyframes == 3);
  }
}

TEST_CASE("an option with an encoder's name is that one's alone, and the others stay in the chain") {
  EncoderSettings settings;
  settings.options = {{"h264_vaapi:quality", "1"}, {"libx264:tune", "film"}, {"g", "30"}};
  using Options = std::vector<std::pair<std::string, std::string>>;
  CHECK(settings_for(*find_encoder_row("h264_vaapi"), settings).options == Options{{"quality", "1"}, {"g", "30"}});
  CHECK(settings_for(*find_encoder_row("libx264"), settings).options == Options{{"tune", "film"}, {"g", "30"}});
  CHECK(settings_for(*find_encoder_row("hevc_nvenc"), settings).options == Options{{"g", "30"}});
  settings.encoder = "libx264";
  settings.options.emplace_back("libx264:preset", "supersonic");
  const VideoParameters video{.size = {320, 192}, .rate = {30, 1}, .threads = 2};
  CHECK(open_first(settings, video).error().kind == ErrorKind::Invalid);
  settings.options.back().first = "libx265:preset";
  CHECK(open_first(settings, video));
}

TEST_CASE("an encoder that cannot be opened says why, whatever options it was given") {
  EncoderSettings settings;
  settings.options = {{"preset", "10"}};
  const auto opened = open_ffmpeg_encoder(*find_encoder_row("libsvtav1"), settings,
                                          {.size = {16'386, 64}, .rate = {30, 1}, .threads = 1});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().message().find("options of") == std::string::npos);
}

TEST_CASE("colour descriptions reach the decoder") {
  const EncoderRow& encoder = any_row();
  const ColourDescription colour = GENERATE(
      ColourDescription{ColourMatrix::BT601, ColourRange::Limited, ColourPrimaries::BT601, TransferFunction::BT709},
      ColourDescription{ColourMatrix::BT709, ColourRange::Full, ColourPrimaries::BT709, TransferFunction::SRGB},
      ColourDescription{ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020, TransferFunction::PQ},
      ColourDescription{ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020, TransferFunction::HLG});
  CAPTURE(encoder.name, static_cast<int>(colour.matrix), static_cast<int>(colour.transfer));
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  settings.colour = colour;
  settings.bit_depth = encoder.input_format(10, Chroma::Yuv420) ? 10 : 8;
  auto opened = open_ffmpeg_encoder(encoder, settings, {.size = {192, 128}, .rate = {30, 1}, .threads = 2});
  REQUIRE(opened);
  CHECK((*opened)->stream().colour == colour);
  CHECK((*opened)->input().colour == colour);
  const EncodeRun run = encode(**opened, 2, at_rate(30));
  auto decoder = Decoder::open((*opened)->stream(), run.packets);
  REQUIRE(decoder);
  const auto frame = decoder->next();
  REQUIRE(frame);
  REQUIRE(*frame);
  CHECK((*frame)->colour == colour);
}

TEST_CASE("the native preset follows the load per processor") {
  const EncoderSettings settings;
  const auto chosen = [&](std::string_view name, Size size, unsigned fps, unsigned processors,
                          const EncoderSettings& with) {
    return choose_native_preset(row(name), with, {.size = size, .rate = {fps, 1}}, processors).name;
  };
  CHECK(chosen("libx264", {1280, 720}, 60, 2, settings) == "ultrafast");
  CHECK(chosen("libx264", {1280, 720}, 30, 2, settings) == "superfast");
  CHECK(chosen("libx264", {1920, 1080}, 60, 8, settings) == "superfast");
  CHECK(chosen("libx264", {1920, 1080}, 60, 16, settings) == "veryfast");
  CHECK(chosen("libx264", {3840, 2160}, 60, 8, settings) == "ultrafast");
  CHECK(chosen("libx265", {1280, 720}, 30, 2, settings) == "ultrafast");
  CHECK(chosen("libsvtav1", {1280, 720}, 60, 2, settings) == "10");
  CHECK(chosen("libsvtav1", {640, 360}, 30, 2, settings) == "10");

  EncoderSettings quality;
  quality.preset = Preset::Quality;
  CHECK(chosen("libx264", {1280, 720}, 60, 2, quality) == "superfast");
  EncoderSettings forced;
  forced.options = {{"preset", "medium"}};
  CHECK(chosen("libx264", {3840, 2160}, 60, 1, forced) == "medium");
  // Presets get faster and take more load down each table.
  for (const EncoderRow& encoder : encoder_rows()) {
    for (std::size_t i = 1; i < encoder.presets.size(); ++i) {
      CHECK(encoder.presets[i].max_load > encoder.presets[i - 1].max_load);
    }
    CHECK(encoder.presets.back().max_load == std::numeric_limits<double>::infinity());
  }
}

TEST_CASE("the chain opens the wanted codec, 'auto' is H.264, and says why it found none") {
  const VideoParameters video{.size = {320, 192}, .rate = {30, 1}, .threads = 2};
  EncoderSettings settings;
  auto opened = open_first(settings, video);
  REQUIRE(opened);
  CHECK((*opened)->stream().codec == Codec::H264);
  for (const Codec codec : {Codec::H264, Codec::HEVC, Codec::AV1}) {
    settings.codec = codec;
    opened = open_first(settings, video);
    REQUIRE(opened);
    CHECK((*opened)->stream().codec == codec);
  }

  settings.codec = std::nullopt;
  settings.encoder = "libx266";
  auto refused = open_first(settings, video);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Invalid);
  CHECK_THAT(refused.error().message(), ContainsSubstring("'libx266' is not one of h264_nvenc, ") &&
                                            ContainsSubstring("libx264, libx265, libsvtav1"));

  settings.encoder = "libx265";
  settings.codec = Codec::AV1;
  refused = open_first(settings, video);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Invalid);
  CHECK_THAT(refused.error().message(), ContainsSubstring("it encodes hevc, not av1"));

  settings.encoder = std::nullopt;
  settings.chroma = Chroma::Yuv444;
  auto chain = EncoderChain::create(settings);
  REQUIRE(chain);
  REQUIRE_FALSE(chain->open_first(video));
  REQUIRE(chain->refusals().size() == chain->candidates().size());
  CHECK(chain->refusals().back().encoder == "libsvtav1");
  CHECK(chain->refusals().back().error.kind == ErrorKind::Unsupported);
}
