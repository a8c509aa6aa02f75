// What NVENC is told, without a driver.
#include "encode/nvenc.h"

#include "encode/encoder_chain.h"
#include "encode/ffmpeg_encoder.h"
#include "encode_support.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <optional>
#include <string>

using namespace zc;
using namespace zc::test;

namespace {

const EncoderRow& row(std::string_view name) {
  const EncoderRow* found = find_encoder_row(name);
  REQUIRE(found != nullptr);
  return *found;
}

struct Configured {
  CodecPlan plan;
  OptionList options{""};
  [[nodiscard]] std::string option(std::string_view key) const {
    return std::string(options.find(key).value_or("(unset)"));
  }
};

Configured configure(std::string_view name, const EncoderSettings& settings, Size size = {1920, 1080},
                     unsigned fps = 60) {
  const VideoParameters video{.size = size, .rate = {fps, 1}};
  const EncoderRow& encoder = row(name);
  const bool live = settings.preset == Preset::LowLatency;
  Configured result;
  encoder.configure({.row = encoder,
                     .settings = settings,
                     .video = video,
                     .native = choose_native_preset(encoder, settings, video, 2),
                     .processors = 2,
                     .max_delay = live ? 0U : 24U},
                    result.plan, result.options);
  return result;
}

EncoderSettings with(Preset preset) {
  EncoderSettings settings;
  settings.preset = preset;
  return settings;
}

}  // namespace

TEST_CASE("low latency: nothing is held back, B-frames are switched off and not left to the preset") {
  const std::string name = GENERATE("h264_nvenc", "hevc_nvenc", "av1_nvenc");
  const Configured live = configure(name, with(Preset::LowLatency));
  CHECK(live.option("tune") == "ull");
  CHECK(live.option("delay") == "0");
  CHECK(live.option("zerolatency") == "1");
  CHECK(live.option("rc-lookahead") == "0");
  CHECK(live.option("forced-idr") == "1");
  CHECK(live.plan.b_frames == 0);
  CHECK(live.plan.forces_keyframes);

  const Configured balanced = configure(name, with(Preset::Balanced));
  CHECK(balanced.option("tune") == "hq");
  CHECK(balanced.option("delay") == "2");
  CHECK(balanced.option("zerolatency") == "(unset)");
  CHECK(balanced.plan.b_frames == 0);
  CHECK(configure(name, with(Preset::Quality)).option("multipass") == "qres");
}

TEST_CASE("constant quality is a target quality without a bit rate, a bit rate brings its VBV") {
  EncoderSettings settings = with(Preset::Balanced);
  CHECK(configure("h264_nvenc", settings).option("cq") == "23");
  CHECK(configure("hevc_nvenc", settings).option("cq") == "26");
  settings.crf = 31;
  const Configured quality = configure("h264_nvenc", settings);
  CHECK(quality.option("rc") == "vbr");
  CHECK(quality.option("cq") == "31");
  CHECK(quality.plan.max_bit_rate == 0);

  settings.crf = std::nullopt;
  settings.bit_rate = 8'000'000;
  const Configured file = configure("h264_nvenc", settings);
  CHECK(file.option("rc") == "vbr");
  CHECK(file.option("cq") == "(unset)");
  CHECK(file.plan.max_bit_rate == 12'000'000);
  CHECK(file.plan.buffer_bits == 12'000'000);

  settings.preset = Preset::LowLatency;
  const Configured live = configure("h264_nvenc", settings);
  CHECK(live.option("rc") == "cbr");
  CHECK(live.plan.max_bit_rate == 8'000'000);
  CHECK(live.plan.buffer_bits == 4'000'000);
}

TEST_CASE("p1 to p7 follow the pixels per second, not the processors") {
  const auto preset = [](Preset wanted, Size size, unsigned fps) {
    return configure("hevc_nvenc", with(wanted), size, fps).option("preset");
  };
  CHECK(preset(Preset::Balanced, {1280, 720}, 30) == "p7");
  CHECK(preset(Preset::Balanced, {1920, 1080}, 60) == "p5");
  CHECK(preset(Preset::Balanced, {3840, 2160}, 60) == "p4");
  CHECK(preset(Preset::Balanced, {3840, 2160}, 120) == "p3");
  CHECK(preset(Preset::Balanced, {7680, 4320}, 60) == "p1");
  CHECK(preset(Preset::Quality, {1920, 1080}, 60) == "p7");
  CHECK(preset(Preset::Quality, {3840, 2160}, 60) == "p5");
  EncoderSettings forced;
  forced.options = {{"preset", "p2"}};
  CHECK(choose_native_preset(row("av1_nvenc"), forced, {.size = {640, 360}, .rate = {30, 1}}, 64).name == "p2");
}

TEST_CASE("NVENC is fed YUV only, as it is or in CUDA memory") {
  for (const char* name : {"h264_nvenc", "hevc_nvenc", "av1_nvenc"}) {
    const EncoderRow& encoder = row(name);
    CHECK(encoder.device_memory == MemoryKind::Cuda);
    CHECK(encoder.input_format(8, Chroma::Yuv420) == PixelFormat::NV12);
    for (const PixelFormat format : encoder.formats) {
      if (format != PixelFormat::Unknown) CHECK(info(format).yuv);
    }
  }
  CHECK(row("hevc_nvenc").input_format(10, Chroma::Yuv420) == PixelFormat::P010);
  CHECK_FALSE(row("h264_nvenc").input_format(10, Chroma::Yuv420));
}

TEST_CASE("hardware comes before software in every codec's chain, and software ends it") {
  const Codec codec = GENERATE(Codec::H264, Codec::HEVC, Codec::AV1);
  EncoderSettings settings;
  settings.codec = codec;
  const auto chain = EncoderChain::create(settings);
  REQUIRE(chain);
  const auto& candidates = chain->candidates();
  REQUIRE(candidates.size() >= 2);
  CHECK(candidates.front()->backend == "nvenc");
  CHECK_FALSE(candidates.back()->hardware());
  CHECK(std::ranges::is_sorted(candidates, {}, [](const EncoderRow* r) { return !r->hardware(); }));
}

TEST_CASE("a quality that only the software encoder takes is left to it, one that none takes is refused") {
  EncoderSettings settings;
  settings.crf = 0;
  const auto lossless = open_first(settings, {.size = {320, 192}, .rate = {30, 1}, .threads = 1});
  REQUIRE(lossless);
  CHECK((*lossless)->name() == "libx264");
  settings.crf = 52;
  const auto refused = open_first(settings, {.size = {320, 192}, .rate = {30, 1}, .threads = 1});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Invalid);
}

TEST_CASE("an option that only the software encoder knows does not end the search at the hardware's row") {
  EncoderSettings settings;
  settings.options = {{"tune", "film"}};
  auto chain = EncoderChain::create(settings);
  REQUIRE(chain);
  const auto opened = chain->open_first({.size = {320, 192}, .rate = {30, 1}, .threads = 1});
  REQUIRE(opened);
  CHECK((*opened)->name() == "libx264");
  CHECK(chain->exhausted());
  CHECK_FALSE(chain->open_next({.size = {320, 192}, .rate = {30, 1}, .threads = 1}));
}

TEST_CASE("what NVENC makes of the finer settings") {
  EncoderSettings settings = with(Preset::Balanced);
  settings.lookahead = 16;
  settings.spatial_aq = false;
  settings.temporal_aq = true;
  settings.multipass = Multipass::Full;
  settings.intra_refresh = true;
  const Configured fine = configure("hevc_nvenc", settings);
  CHECK(fine.option("rc-lookahead") == "16");
  CHECK(fine.option("delay") == "18");
  CHECK(fine.option("spatial-aq") == "(unset)");
  CHECK(fine.option("temporal-aq") == "1");
  CHECK(fine.option("multipass") == "fullres");
  CHECK(fine.option("intra-refresh") == "1");
  const Configured lossless = configure("h264_nvenc", with(Preset::Lossless));
  CHECK(lossless.option("tune") == "lossless");
  CHECK(lossless.option("profile") == "high444p");
  CHECK(lossless.option("rc") == "constqp");
  CHECK(lossless.option("qp") == "0");
  settings = with(Preset::LowLatency);
  settings.tune = Tune::LowLatency;
  settings.bit_rate = 5'000'000;
  settings.rate_control = RateControl::Vbr;
  const Configured live = configure("h264_nvenc", settings);
  CHECK(live.option("tune") == "ll");
  CHECK(live.option("rc") == "vbr");
}
