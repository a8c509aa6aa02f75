#include "settings/encoding_arguments.h"

#include "encode/encoder_table.h"
#include "gpu/gpu_address.h"
#include "settings/values.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace zc {
namespace {

using CodecChoice = Choice<std::optional<Codec>>;
constexpr std::array kCodecs{CodecChoice{"auto", std::nullopt}, CodecChoice{"h264", Codec::H264},
                             CodecChoice{"hevc", Codec::HEVC}, CodecChoice{"av1", Codec::AV1}};
constexpr std::array<Choice<Preset>, kPresets> kPresetChoices{{{"low-latency", Preset::LowLatency},
                                                               {"balanced", Preset::Balanced},
                                                               {"quality", Preset::Quality},
                                                               {"lossless", Preset::Lossless},
                                                               {"archive", Preset::Archive}}};
constexpr std::array<Choice<RateControl>, 3> kRateControls{
    {{"cbr", RateControl::Cbr}, {"vbr", RateControl::Vbr}, {"quality", RateControl::Quality}}};
constexpr std::array<Choice<Tune>, 3> kTunes{
    {{"hq", Tune::HighQuality}, {"ll", Tune::LowLatency}, {"ull", Tune::UltraLowLatency}}};
constexpr std::array<Choice<Multipass>, 3> kMultipass{
    {{"off", Multipass::Off}, {"quarter", Multipass::Quarter}, {"full", Multipass::Full}}};
constexpr std::array<Choice<unsigned>, kMaxSpeed> kSpeeds{
    {{"p1", 1}, {"p2", 2}, {"p3", 3}, {"p4", 4}, {"p5", 5}, {"p6", 6}, {"p7", 7}}};
struct Aq {
  bool spatial, temporal;
};
constexpr std::array<Choice<Aq>, 4> kAqs{
    {{"off", {false, false}}, {"spatial", {true, false}}, {"temporal", {false, true}}, {"both", {true, true}}}};
constexpr std::array<Choice<unsigned>, 2> kBitDepths{{{"8", 8}, {"10", 10}}};
struct Samples {
  Chroma chroma;
  bool rgb;
};
constexpr std::array<Choice<Samples>, 3> kChromas{
    {{"420", {Chroma::Yuv420, false}}, {"444", {Chroma::Yuv444, false}}, {"rgb", {Chroma::Yuv444, true}}}};

constexpr std::array<Choice<RingPolicy>, 2> kRingPolicies{
    {{"block", RingPolicy::Block}, {"drop-oldest", RingPolicy::DropOldest}}};

constexpr auto kCodecWords = words(kCodecs);
constexpr auto kPresetWords = words(kPresetChoices);
constexpr auto kRateControlWords = words(kRateControls);
constexpr auto kTuneWords = words(kTunes);
constexpr auto kMultipassWords = words(kMultipass);
constexpr auto kSpeedWords = words(kSpeeds);
constexpr auto kAqWords = words(kAqs);
constexpr auto kBitDepthWords = words(kBitDepths);
constexpr auto kChromaWords = words(kChromas);
constexpr auto kRingWords = words(kRingPolicies);

constexpr std::array<std::string_view, 1> kGpuWords{"auto"};

constexpr std::string_view kEncoding = "Encoding";

std::span<const std::string_view> encoder_words() {
  static const std::vector<std::string_view> kWords = [] {
    std::vector<std::string_view> names;
    for (const EncoderRow& row : encoder_rows()) names.push_back(row.name);
    return names;
  }();
  return kWords;
}

std::span<const std::string_view> order_words() {
  static const std::vector<std::string_view> kWords = [] {
    std::vector<std::string_view> names;
    for (const EncoderRow& row : encoder_rows()) {
      if (std::ranges::find(names, row.backend) == names.end()) names.push_back(row.backend);
    }
    return names;
  }();
  return kWords;
}

constexpr unsigned kMaxCrf = 63;

using Row = ArgumentRow<RecordWords>;
using Words = RecordWords;
using Text = std::string_view;

Result<std::pair<std::string, std::string>> encoder_option(std::string_view option, std::string_view text) {
  auto pair = key_value(option, text);
  if (!pair) return pair;
  const std::size_t colon = pair->first.find(':');
  if (colon != std::string::npos && find_encoder_row(pair->first.substr(0, colon)) == nullptr) {
    return fail(ErrorKind::Invalid, std::string(option),
                fmt::format("{} is not one of {}", in_quotes(pair->first.substr(0, colon)), encoder_names()));
  }
  return pair;
}

std::vector<Row> common_rows(bool live) {
  return {
      {{.name = "--codec",
        .value = "CODEC",
        .group = kEncoding,
        .help = "'auto' is H.264, which a CPU encodes fastest and every player knows.",
        .fallback = "auto",
        // MPEG-TS has no AV1; asking for it gets its own error.
        .choices = live ? std::span(kCodecWords).first(kCodecWords.size() - 1) : std::span(kCodecWords)},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kCodecs), w.options.encoder.codec);
       }},
      {{.name = "--gpu",
        .value = "GPU",
        .group = kEncoding,
        .help = "The GPU that converts and encodes: a render node such as /dev/dri/renderD128 or a PCI address such as "
                "01:00.0, and no other one is used. 'auto' takes the one that the desktop is composed on first, and "
                "any other where that one cannot.",
        .fallback = "auto",
        .suggestions = kGpuWords},
       [](Words& w, Text option, Text text) { return store(parse_gpu(option, text), w.options.gpu); }},
      {{.name = "--encoder",
        .value = "NAME",
        .group = kEncoding,
        .help = "Force one encoder by its name, as 'zerocast encoders' lists it.",
        .fallback = "",
        .suggestions = encoder_words()},
       [](Words& w, Text option, Text text) { return store(name_value(option, text), w.options.encoder.encoder); }},
      {{.name = "--encoder-order",
        .value = "LIST",
        .group = kEncoding,
        .help = "Try these first, in this order: backends (nvenc, vaapi, qsv, vulkan, software) and encoders' names, "
                "joined by commas. The others follow in the usual order: the encoder on the GPU that holds the "
                "pictures, other hardware, software.",
        .fallback = "",
        .suggestions = order_words()},
       [](Words& w, Text option, Text text) { return store(list_value(option, text), w.options.encoder.order); }},
      {{.name = "--preset",
        .value = "PRESET",
        .group = kEncoding,
        .help =
            "What to optimise: delay, a bit of both, size, every sample kept, or quality for a later encoding. "
            "All but low-latency let the encoder keep some pictures back, 0.4 s of them, and on a screen that stops "
            "changing for 2.5 s. The settings below win over it one by one.",
        .fallback = live ? "low-latency" : "balanced",
        .choices = kPresetWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kPresetChoices), w.options.encoder.preset);
       }},
      {{.name = "--crf",
        .value = "N",
        .group = kEncoding,
        .help = "Constant quality on the codec's own scale, lower is better: 0 to 51 for H.264 and HEVC, 0 to 63 for "
                "AV1. Excludes --bitrate.",
        .fallback = ""},
       [](Words& w, Text option, Text text) {
         return store(number_value(option, text, 0, kMaxCrf), w.options.encoder.crf);
       }},
      {{.name = "--bitrate",
        .value = "RATE",
        .group = kEncoding,
        .help = "Average rate in bit/s, such as 6M or 800k. Excludes --crf.",
        .fallback = ""},
       [](Words& w, Text option, Text text) {
         return store(bit_rate_value(option, text), w.options.encoder.bit_rate);
       }},
      {{.name = "--adaptive",
        .value = "",
        .group = kEncoding,
        .help = "The bit rate follows the network of live outputs (SRT, TCP, RTMP; UDP tells nothing): down within a "
                "second when the slowest of them falls behind, up again slowly, between --min-bitrate and --bitrate, "
                "which it needs. All outputs have one encoder: a file beside them gets the lower rate, too. An encoder "
                "that has to be opened anew for another rate is changed rarely.",
        .fallback = ""},
       [](Words& w, Text, Text) -> Result<void> {
         w.options.adaptive = true;
         return {};
       }},
      {{.name = "--min-bitrate",
        .value = "RATE",
        .group = kEncoding,
        .help = "With --adaptive: the rate that it never goes below. Without it, a fifth of --bitrate.",
        .fallback = ""},
       [](Words& w, Text option, Text text) { return store(bit_rate_value(option, text), w.options.min_bit_rate); }},
      {{.name = "--gop",
        .value = "SECONDS",
        .group = kEncoding,
        .help = "Longest time between two keyframes; 'infinite' makes them only when somebody needs one (a new "
                "viewer, a lost packet), which suits streams and leaves files that cannot be searched.",
        .fallback = "2"},
       [](Words& w, Text option, Text text) -> Result<void> {
         if (text == "infinite") {
           w.options.encoder.gop_seconds = kInfiniteGop;
           return {};
         }
         Nanoseconds gop{};
         auto stored = store(seconds_value(option, text, static_cast<unsigned>(kMaxGopSeconds)), gop);
         if (stored) w.options.encoder.gop_seconds = std::chrono::duration<double>(gop).count();
         return stored;
       }},
      {{.name = "--bit-depth",
        .value = "BITS",
        .group = kEncoding,
        .help = "Bits per colour component. With 10 the source is asked for pictures of 10 bits first.",
        .fallback = "8",
        .choices = kBitDepthWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kBitDepths), w.options.encoder.bit_depth);
       }},
      {{.name = "--chroma",
        .value = "FORMAT",
        .group = kEncoding,
        .help = "Colour resolution: 4:2:0 plays everywhere, 4:4:4 keeps small coloured text sharp, 'rgb' keeps the "
                "desktop's own samples, without a colour matrix: with --preset lossless every pixel comes back.",
        .fallback = "420",
        .choices = kChromaWords},
       [](Words& w, Text option, Text text) -> Result<void> {
         const auto samples = choice_value(option, text, kChromas);
         if (!samples) return std::unexpected(samples.error());
         w.options.encoder.chroma = samples->chroma;
         w.rgb = samples->rgb;
         return {};
       }},
      {{.name = "--encoder-option",
        .value = "[ENCODER:]KEY=VALUE",
        .group = kEncoding,
        .help = "Pass an option of the encoder itself, such as tune=film; it wins over what the preset sets. With an "
                "encoder's name, such as h264_vaapi:quality=1, it is that one's alone; without, an encoder that has no "
                "such option is passed over.",
        .fallback = "",
        .repeatable = true},
       [](Words& w, Text option, Text text) {
         return store(encoder_option(option, text), w.options.encoder.options.emplace_back());
       }},
  };
}

/// What most never touch.
std::vector<Row> tuning_rows(bool live) {
  return {
      {{.name = "--speed",
        .value = "P",
        .group = kEncoding,
        .help = "The encoder's own presets on one scale, p1 the fastest, p7 the best. Without it, the best that this "
                "machine keeps up with.",
        .fallback = "",
        .choices = kSpeedWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kSpeeds), w.options.encoder.speed);
       }},
      {{.name = "--tune",
        .value = "TUNE",
        .group = kEncoding,
        .help = "High quality, low latency or ultra-low latency. Without it, what the preset says.",
        .fallback = "",
        .choices = kTuneWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kTunes), w.options.encoder.tune);
       }},
      {{.name = "--rate-control",
        .value = "MODE",
        .group = kEncoding,
        .help = "Hold the bit rate, meet it on average, or hold the quality. Without it: the quality when there is no "
                "--bitrate; else the rate is held for low latency and met on average otherwise.",
        .fallback = "",
        .choices = kRateControlWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kRateControls), w.options.encoder.rate_control);
       }},
      {{.name = "--max-bitrate",
        .value = "RATE",
        .group = kEncoding,
        .help = "With --bitrate: the rate that is not exceeded for longer than --vbv. Without it, 1.5 times the rate.",
        .fallback = ""},
       [](Words& w, Text option, Text text) {
         return store(bit_rate_value(option, text), w.options.encoder.max_bit_rate);
       }},
      {{.name = "--vbv",
        .value = "MILLISECONDS",
        .group = kEncoding,
        .help = "With --bitrate: the receiver's buffer, in time at the maximum rate. Without it, 500 for a held rate "
                "and 1000 otherwise.",
        .fallback = ""},
       [](Words& w, Text option, Text text) {
         return store(number_value(option, text, kMinVbvMs, kMaxVbvMs), w.options.encoder.vbv_ms);
       }},
      {{.name = "--b-frames",
        .value = "N",
        .group = kEncoding,
        .help = "B-frames in a row, 0 to 4. Without it, what the preset and the allowed delay give.",
        .fallback = ""},
       [](Words& w, Text option, Text text) {
         return store(number_value(option, text, 0, kMaxBFrames), w.options.encoder.b_frames);
       }},
      {{.name = "--lookahead",
        .value = "N",
        .group = kEncoding,
        .help = "Pictures that the encoder looks at before it codes one, 0 to 48: better quality, more delay.",
        .fallback = ""},
       [](Words& w, Text option, Text text) {
         return store(number_value(option, text, 0, kMaxLookahead), w.options.encoder.lookahead);
       }},
      {{.name = "--aq",
        .value = "MODE",
        .group = kEncoding,
        .help = "Adaptive quantisation: more bits for flat areas, for what stays, or both. Without it, the encoder's "
                "choice.",
        .fallback = "",
        .choices = kAqWords},
       [](Words& w, Text option, Text text) -> Result<void> {
         const auto aq = choice_value(option, text, kAqs);
         if (!aq) return std::unexpected(aq.error());
         w.options.encoder.spatial_aq = aq->spatial;
         w.options.encoder.temporal_aq = aq->temporal;
         return {};
       }},
      {{.name = "--multipass",
        .value = "MODE",
        .group = kEncoding,
        .help = "Look at each picture first, at a quarter of its size or in full (NVENC).",
        .fallback = "",
        .choices = kMultipassWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kMultipass), w.options.encoder.multipass);
       }},
      {{.name = "--ring-frames",
        .value = "N",
        .group = kEncoding,
        .help = "Pictures that may wait for the encoder, 1 to 32: more bridges a longer stutter. Never more than there "
                "are surfaces.",
        .fallback = live ? "4" : "10"},
       [](Words& w, Text option, Text text) {
         return store(number_value(option, text, 1, kMaxRingFrames), w.options.ring_frames);
       }},
      {{.name = "--ring",
        .value = "POLICY",
        .group = kEncoding,
        .help = "When that many wait: leave out what is captured meanwhile, or the oldest that waits.",
        .fallback = live ? "drop-oldest" : "block",
        .choices = kRingWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kRingPolicies), w.options.ring_policy);
       }},
      {{.name = "--intra-refresh",
        .value = "",
        .group = kEncoding,
        .help = "Instead of keyframes, a column of intra blocks wanders across the picture once in --gop seconds: an "
                "even rate for live streams.",
        .fallback = ""},
       [](Words& w, Text, Text) -> Result<void> {
         w.options.encoder.intra_refresh = true;
         return {};
       }},
  };
}

}  // namespace

std::vector<ArgumentRow<RecordWords>> encoding_arguments(bool live) {
  std::vector<Row> rows = common_rows(live);
  const std::vector<Row> more = tuning_rows(live);
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace zc
