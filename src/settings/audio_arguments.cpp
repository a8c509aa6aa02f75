#include "settings/audio_arguments.h"

#include "settings/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace zc {
namespace {

constexpr unsigned kMostTracks = 8;
constexpr double kQuietest = -60;
constexpr double kLoudest = 20;
constexpr std::int64_t kMinAudioBitRate = 6'000;
constexpr std::int64_t kMaxAudioBitRate = 1'024'000;

using CodecChoice = Choice<std::optional<AudioCodec>>;
constexpr std::array kAudioCodecChoices{CodecChoice{"auto", std::nullopt}, CodecChoice{"opus", AudioCodec::Opus},
                                        CodecChoice{"aac", AudioCodec::Aac}, CodecChoice{"flac", AudioCodec::Flac},
                                        CodecChoice{"pcm", AudioCodec::Pcm}};
constexpr std::array<Choice<std::uint64_t>, 4> kLayouts{
    {{"mono", kMono}, {"stereo", kStereo}, {"5.1", kSurround51}, {"7.1", kSurround71}}};

constexpr auto kCodecWords = words(kAudioCodecChoices);
constexpr auto kLayoutWords = words(kLayouts);
constexpr std::array<std::string_view, 7> kSourceWords{
    "desktop", "mic", "app:", "desktop-app:", "file", "test", "none"};
constexpr std::string_view kAudio = "Sound";

using Row = ArgumentRow<RecordWords>;
using Words = RecordWords;
using Text = std::string_view;

Result<void> add_source(Words& words, Text option, Text text) {
  if (text == "none") {
    words.silent = true;
    return {};
  }
  auto input = audio_value(option, text);
  if (!input) return std::unexpected(std::move(input.error()));
  words.options.audio.inputs.push_back(*std::move(input));
  return {};
}

}  // namespace

Result<double> volume_value(std::string_view option, std::string_view text) {
  constexpr std::string_view kUnit = "dB";
  std::string_view number = text;
  if (number.ends_with(kUnit)) number.remove_suffix(kUnit.size());
  if (number.starts_with('+') && !number.starts_with("+-")) number.remove_prefix(1);
  double decibels = 0;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), decibels, std::chars_format::fixed);
  const bool whole = error == std::errc() && end == number.data() + number.size() && text.ends_with(kUnit);
  const bool within = decibels >= kQuietest && decibels <= kLoudest;  // "nan" is not
  if (!whole || !within) {
    return fail(
        ErrorKind::Invalid, std::string(option),
        fmt::format("{} is not a volume from {}dB to {}dB, such as -6dB", in_quotes(text), kQuietest, kLoudest));
  }
  return decibels;
}

float gain_of(double decibels) { return static_cast<float>(std::pow(10.0, decibels / 20)); }

Result<AudioInputOptions> audio_value(std::string_view option, std::string_view text) {
  constexpr std::string_view kVolume = "volume=";
  constexpr std::string_view kTrack = "track=";
  AudioInputOptions input;
  std::string_view source = text;
  // From the end: names may have commas.
  while (true) {
    const std::size_t comma = source.rfind(',');
    const std::string_view word = comma == std::string_view::npos ? std::string_view{} : source.substr(comma + 1);
    Result<void> taken;
    if (word.starts_with(kVolume)) {
      const auto volume = volume_value(option, word.substr(kVolume.size()));
      taken = volume ? Result<void>{} : std::unexpected(volume.error());
      if (volume) input.gain = gain_of(*volume);
    } else if (word.starts_with(kTrack)) {
      taken = store(number_value(option, word.substr(kTrack.size()), 1, kMostTracks), input.track);
    } else if (word.find('=') != std::string_view::npos) {
      taken = fail(ErrorKind::Invalid, std::string(option),
                   fmt::format("{} is neither volume=-6dB nor track=1 to {}", in_quotes(word), kMostTracks));
    } else {
      break;
    }
    if (!taken) return std::unexpected(std::move(taken.error()));
    source = source.substr(0, comma);
  }
  if (auto stored = store(parse_audio_source(source), input.source); !stored) {
    return fail(ErrorKind::Invalid, std::string(option), std::move(stored.error().detail));
  }
  return input;
}

Result<void> check_audio_sources(const RecordOptions& options) {
  const auto of_file = [](const AudioInputOptions& input) { return std::holds_alternative<FileAudio>(input.source); };
  const auto& inputs = options.audio.inputs;
  if (std::ranges::any_of(inputs, of_file) && !std::holds_alternative<FileSpec>(options.source)) {
    return fail(ErrorKind::Invalid, "--audio file",
                "it is the sound of a media file as the source (--source file:PATH)");
  }
  const auto other = std::ranges::find_if_not(inputs, of_file);
  if (options.unpaced && other != inputs.end()) {
    return fail(ErrorKind::Invalid, "--pace none",
                fmt::format("sound of {} comes in real time; take the file's own (--audio file), or leave out --audio",
                            in_quotes(to_string(other->source))));
  }
  return {};
}

Result<void> choose_audio_codec(RecordWords& words) {
  RecordOptions& options = words.options;
  if (words.silent && !options.audio.inputs.empty()) {
    return fail(ErrorKind::Invalid, "--audio", "'none' excludes any other source");
  }
  // Packets are made for browsers by their relays, which have no AAC.
  const bool opus = !words.mixed_outputs && std::ranges::all_of(options.outputs, [](const OutputSpec& output) {
    return output.camera() || output.container == Container::Mkv || output.container == Container::Rtp;
  });
  AudioCodec& codec = options.audio.encoder.codec;
  codec = words.audio_codec.value_or(opus ? AudioCodec::Opus : AudioCodec::Aac);
  for (const OutputSpec& output : options.outputs) {
    if (options.audio.inputs.empty()) break;
    if (auto fits = check_codec(output.container, codec); !fits) return fits;
    const unsigned tracks = std::ranges::max(options.audio.inputs, {}, &AudioInputOptions::track).track;
    if (auto fits = check_tracks(output.container, tracks); !fits) return fits;
  }
  return {};
}

std::vector<Row> audio_arguments() {
  return {
      {{.name = "--audio",
        .value = "SOURCE",
        .group = kAudio,
        .help = "What to hear: 'desktop' is what the default output plays, 'mic' the default input, 'app:NAME' one "
                "application, 'desktop-app:NAME' all but that one, 'file' the media file that is the source "
                "(--source file:PATH), also with --pace none, 'test' beeps that tell their time, and any other word "
                "the PipeWire node of that name; 'zerocast sources' lists them. What is not there is waited for, and "
                "silence until then. May be given "
                "several times: ',track=2' keeps sources apart, those of one track are mixed; ',volume=-6dB' is the "
                "volume it begins with. 'none' is silence. A microphone is never taken unasked.",
        .fallback = "none",
        .suggestions = kSourceWords,
        .repeatable = true},
       add_source},
      {{.name = "--audio-codec",
        .value = "CODEC",
        .group = kAudio,
        .help = "Opus, AAC, or without loss FLAC and PCM (24 bits). MP4 takes no PCM, MPEG-TS Opus and AAC only. auto "
                "is Opus where all outputs are Matroska files, else AAC, which every player and editor takes.",
        .fallback = "auto",
        .choices = kCodecWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kAudioCodecChoices), w.audio_codec);
       }},
      {{.name = "--audio-bitrate",
        .value = "RATE",
        .group = kAudio,
        .help = "Bits per second of each track, such as 128k; without it 64k (Opus) or 80k (AAC) for each channel.",
        .fallback = ""},
       [](Words& w, Text option, Text text) {
         return store(bit_rate_value(option, text, kMinAudioBitRate, kMaxAudioBitRate),
                      w.options.audio.encoder.bit_rate);
       }},
      {{.name = "--audio-channels",
        .value = "CHANNELS",
        .group = kAudio,
        .help = "Loudspeakers of each track; sources that have others are mixed to them.",
        .fallback = "stereo",
        .choices = kLayoutWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kLayouts), w.options.audio.encoder.layout);
       }},
  };
}

}  // namespace zc
