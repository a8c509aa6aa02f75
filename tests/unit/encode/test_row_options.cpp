// Every option that a row gives, against libavcodec's own tables: no hardware is needed to know a name or a value.
#include "encode/codec_context.h"
#include "encode/encoder_table.h"

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
}

using namespace zc;

namespace {

struct FreeContext {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};

/// One setting after the other, alone and with a bit rate.
std::vector<EncoderSettings> settings_to_try() {
  using Change = std::function<void(EncoderSettings&)>;
  std::vector<Change> changes{[](EncoderSettings&) {}};
  for (const Preset preset :
       {Preset::Balanced, Preset::Quality, Preset::LowLatency, Preset::Lossless, Preset::Archive}) {
    changes.emplace_back([preset](EncoderSettings& s) { s.preset = preset; });
  }
  for (unsigned speed = 1; speed <= kMaxSpeed; ++speed)
    changes.emplace_back([speed](EncoderSettings& s) { s.speed = speed; });
  for (const Tune tune : {Tune::HighQuality, Tune::LowLatency, Tune::UltraLowLatency}) {
    changes.emplace_back([tune](EncoderSettings& s) { s.tune = tune; });
  }
  for (const Multipass passes : {Multipass::Off, Multipass::Quarter, Multipass::Full}) {
    changes.emplace_back([passes](EncoderSettings& s) { s.multipass = passes; });
  }
  for (const bool on : {false, true}) {
    changes.emplace_back([on](EncoderSettings& s) { s.spatial_aq = on; });
    changes.emplace_back([on](EncoderSettings& s) { s.temporal_aq = on; });
  }
  for (const unsigned count : {0U, 1U, 4U}) {
    changes.emplace_back([count](EncoderSettings& s) { s.b_frames = count; });
    changes.emplace_back([count](EncoderSettings& s) { s.lookahead = count * 10; });
  }
  changes.emplace_back([](EncoderSettings& s) { s.intra_refresh = true; });
  changes.emplace_back([](EncoderSettings& s) { s.gop_seconds = kInfiniteGop; });
  changes.emplace_back([](EncoderSettings& s) { s.bit_depth = 10; });
  changes.emplace_back([](EncoderSettings& s) { s.chroma = Chroma::Yuv444; });
  changes.emplace_back([](EncoderSettings& s) { s.colour = kRgbFull, s.chroma = Chroma::Yuv444; });
  const std::vector<Change> rates{
      [](EncoderSettings&) {}, [](EncoderSettings& s) { s.crf = 20; },
      [](EncoderSettings& s) { s.bit_rate = 4'000'000; },
      [](EncoderSettings& s) { s.bit_rate = 4'000'000, s.rate_control = RateControl::Cbr; },
      [](EncoderSettings& s) { s.bit_rate = 4'000'000, s.rate_control = RateControl::Vbr; }};
  std::vector<EncoderSettings> all;
  for (const Change& change : changes) {
    for (const Change& rate : rates) {
      EncoderSettings settings;
      change(settings);
      rate(settings);
      all.push_back(std::move(settings));
    }
  }
  return all;
}

}  // namespace

TEST_CASE("every option of every row is one of libavcodec's, and so is its value") {
  const VideoParameters video{.size = {1280, 720}, .rate = {60, 1}, .threads = 4};
  unsigned checked = 0;
  std::set<std::string> unknown;
  for (const EncoderRow& row : encoder_rows()) {
    const AVCodec* codec = avcodec_find_encoder_by_name(std::string(row.name).c_str());
    if (codec == nullptr) continue;  // not in this FFmpeg
    for (const EncoderSettings& settings : settings_to_try()) {
      if (!validate(settings) || !validate_for(row, settings, video)) continue;
      const std::unique_ptr<AVCodecContext, FreeContext> context(avcodec_alloc_context3(codec));
      REQUIRE(context);
      const PlannedCodec planned = plan_codec(row, settings, video);
      for (const auto& [key, value] : planned.options.all()) {
        ++checked;
        const bool known = av_opt_find(context.get(), key.c_str(), nullptr, 0, AV_OPT_SEARCH_CHILDREN) != nullptr &&
                           av_opt_set(context.get(), key.c_str(), value.c_str(), AV_OPT_SEARCH_CHILDREN) >= 0;
        if (!known) unknown.insert(fmt::format("{} {}={}", row.name, key, value));
      }
    }
  }
  CHECK(unknown == std::set<std::string>());
  CHECK(checked > 1000);
}
