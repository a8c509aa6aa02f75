#include "settings/output_arguments.h"

#include "base/file_names.h"
#include "encode/encoder_table.h"
#include "settings/platforms.h"
#include "settings/values.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

namespace zc {
namespace {

constexpr std::string_view kOutput = "Output";
constexpr std::array<std::string_view, 8> kSchemeWords{"srt://",   "udp://", "tcp://",  "rtmp://",
                                                       "rtmps://", "rtp://", "rtsp://", "hls://"};

using Row = ArgumentRow<RecordWords>;
using Words = RecordWords;
using Text = std::string_view;

std::unexpected<Error> invalid(std::string operation, std::string detail) {
  return fail(ErrorKind::Invalid, std::move(operation), std::move(detail));
}

std::span<const std::string_view> container_words() {
  static const std::vector<std::string_view> kWords = [] {
    std::vector<std::string_view> names;
    for (const ContainerInfo& row : containers()) names.push_back(row.name);
    return names;
  }();
  return kWords;
}

std::span<const std::string_view> url_words() {
  static const std::vector<std::string_view> kWords = [] {
    std::vector<std::string_view> all(kSchemeWords.begin(), kSchemeWords.end());
    std::ranges::copy(platform_words(), std::back_inserter(all));
    return all;
  }();
  return kWords;
}

std::vector<Row> destination_rows(bool live) {
  const auto set = [](Words& w, Text, Text text) -> Result<void> {
    if (text.empty()) return std::unexpected(parse_output(text, std::nullopt, false).error());
    w.output = text;
    return {};
  };
  if (live) {
    return {{{.name = "URL",
              .value = "URL",
              .group = kOutput,
              .help = "Where to: twitch, youtube or owncast:HOST, with --key-file; rtmp://HOST/APP or rtmps://HOST/APP "
                      "(one of the options key-file=PATH, key-env=NAME and key=TEXT); or, as MPEG-TS, "
                      "srt://HOST:PORT (options mode=caller|listener, latency=MILLISECONDS, "
                      "streamid=TEXT, pbkeylen=16|24|32, one of passphrase=..., passphrase-file=PATH and "
                      "passphrase-env=NAME, and of a listener max-viewers=1..64, else 8), udp://HOST:PORT (options "
                      "ttl=1..255, interface=NAME), tcp://HOST:PORT (option "
                      "listen=1); or as bare packets, rtp://HOST:PORT (pictures there and sound two ports above; "
                      "options audio-port=PORT, payload=96..127, audio-payload=96..127, sdp=FILE for what receivers "
                      "have to be told, ttl and interface as above) and rtsp://HOST/PATH; or hls:///FOLDER, files for "
                      "any web server to hand out (options segment=SECONDS, else 2, part=MILLISECONDS, else 200, or 0 "
                      "for none, and window=SEGMENTS, else 6); index.m3u8 there is what players open. Options follow a "
                      "'?' and are "
                      "joined by '&'.",
              .fallback = "",
              .suggestions = url_words()},
             set},
            {{.name = "--key-file",
              .value = "FILE",
              .group = kOutput,
              .help = "The stream's key, as the platform or server gave it, is this file's first line. Keep the file "
                      "from others: who has the key can stream in your name.",
              .fallback = "",
              .files = true},
             [](Words& w, Text, Text text) -> Result<void> {
               w.key_file = text;
               return {};
             }}};
  }
  return {
      {{.name = "FILE",
        .value = "FILE",
        .group = kOutput,
        .help = "Where to write; the extension .mkv, .mp4 or .ts chooses the container. '-' is stdout, as "
                "Matroska. %Y-%m-%d_%H-%M-%S and the like are the time, {n} is the first number that is free. Without "
                "it, a file by the time in the folder zerocast among your videos.",
        .fallback = "",
        .files = true,
        .optional = true},
       set},
      {{.name = "--output",
        .value = "FILE",
        .group = kOutput,
        .help = "Another way to write FILE.",
        .fallback = "",
        .files = true,
        .alias = "-o"},
       set},
  };
}

Row container_row() {
  return {{.name = "--container",
           .value = "FORMAT",
           .group = kOutput,
           .help = "Container of FILE whatever its extension. MP4 is written in fragments, so that it plays even when "
                   "the recording is killed, and is a plain MP4 when it ends.",
           .fallback = "",
           .choices = container_words()},
          [](Words& w, Text option, Text text) -> Result<void> {
            if (!container_from_name(text)) {
              return invalid(std::string(option),
                             fmt::format("{} is not one of {}", in_quotes(text), container_names()));
            }
            w.container = text;
            return {};
          }};
}

bool same_place(const OutputSpec& one, const OutputSpec& other) {
  const auto* file = std::get_if<FileOutput>(&one.target);
  const auto* further = std::get_if<FileOutput>(&other.target);
  if (file == nullptr || further == nullptr) return one.live() && one.name() == other.name();
  std::error_code unknown;
  const auto full = [&](const std::string& path) { return std::filesystem::weakly_canonical(path, unknown); };
  return full(file->path) == full(further->path);
}

/// Whose name is found when the recording begins.
Result<OutputSpec> default_output(const RecordWords& words) {
  auto spec = parse_output("-", words.container, false);
  if (spec) spec->target = FileOutput{.path = "", .overwrite = false};
  return spec;
}

/// RFC 3986 section 2.1, of what would not stand for itself in an option's value.
std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool itself = c > ' ' && c != '%' && c != '&' && c != '#' && c != '?' && c != 0x7f;
    encoded += itself ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

/// `output`, a platform's name written out, with its key.
Result<OutputSpec> parse_main_output(const RecordWords& words) {
  const auto platform = words.options.live ? platform_url(words.output) : std::nullopt;
  std::string text = platform.value_or(words.output);
  if (!words.key_file.empty()) {
    if (!text.starts_with("rtmp")) return invalid("--key-file", "only a platform or an rtmp:// URL has a stream key");
    text += (text.find('?') == std::string::npos ? "?" : "&") + ("key-file=" + percent_encode(words.key_file));
  } else if (platform) {
    return invalid(in_quotes(words.output), "it needs the stream's key: --key-file FILE");
  }
  return parse_output(text, words.container, words.overwrite);
}

}  // namespace

std::vector<Row> output_arguments(bool live) {
  std::vector<Row> rows = destination_rows(live);
  if (!live) rows.push_back(container_row());
  rows.push_back({{.name = "--tee",
                   .value = "FILE|URL|camera:NAME",
                   .group = kOutput,
                   .help = "A further output of the same packets, encoded once; may be given several times. A slow or "
                           "dead network peer never holds up a file. camera:NAME shows the pictures to other programs "
                           "as a camera, camera:/dev/videoN through a v4l2loopback device.",
                   .fallback = "",
                   .files = true,
                   .repeatable = true},
                  [](Words& w, Text, Text text) -> Result<void> {
                    w.tees.emplace_back(text);
                    return {};
                  }});
  rows.push_back({{.name = "--overwrite",
                   .value = "",
                   .group = kOutput,
                   .help = "Replace files that exist. Without it an existing file is an error.",
                   .fallback = ""},
                  [](Words& w, Text, Text) -> Result<void> {
                    w.overwrite = true;
                    return {};
                  }});
  if (live) return rows;
  rows.push_back(
      {{.name = "--split",
        .value = "LENGTH",
        .group = kOutput,
        .help = "Go on in a further file (clip-2.mkv after clip.mkv) after so long or so much, such as 30min, "
                "2GiB or 1h,4GB: at the next keyframe, which is asked for. No picture is lost.",
        .fallback = ""},
       [](Words& w, Text option, Text text) { return store(split_value(option, text), w.split); }});
  return rows;
}

std::optional<Codec> wanted_codec(const EncoderSettings& settings) {
  if (settings.codec || !settings.encoder) return settings.codec;
  const EncoderRow* row = find_encoder_row(*settings.encoder);
  return row == nullptr ? std::nullopt : std::optional(row->codec);
}

bool publishes(const RecordWords& words) {
  const auto to_relay = [](const std::string& text) {
    return std::ranges::any_of(std::array{"rtmp:", "rtmps:", "rtp:", "rtsp:"},
                               [&](const char* scheme) { return text.starts_with(scheme); });
  };
  return to_relay(words.output) || (words.options.live && platform_url(words.output)) ||
         std::ranges::any_of(words.tees, to_relay);
}

Result<std::vector<OutputSpec>> parse_outputs(const RecordWords& words) {
  const bool live = words.options.live;
  if (words.mixed_outputs && words.output.empty()) return std::vector<OutputSpec>{};
  auto main = words.output.empty() && !live ? default_output(words) : parse_main_output(words);
  if (!main) return std::unexpected(std::move(main.error()));
  if (!words.mixed_outputs && live && !main->live()) {
    return invalid("URL",
                   fmt::format("{} is no URL (srt://, rtmps://, ...) and no platform; 'zerocast record' writes files",
                               in_quotes(main->name())));
  }
  if (!words.mixed_outputs && !live && main->camera()) {
    return invalid("FILE", fmt::format("{} is a camera; use 'zerocast camera', or --tee for a further output",
                                       in_quotes(main->name())));
  }
  if (!words.mixed_outputs && !live && main->live()) {
    return invalid("FILE", fmt::format("{} is a URL; use 'zerocast stream', or --tee for a further output",
                                       in_quotes(main->name())));
  }
  std::vector<OutputSpec> outputs{*std::move(main)};
  for (const std::string& tee : words.tees) {
    auto output = parse_output(tee, std::nullopt, words.overwrite);
    if (!output) return std::unexpected(std::move(output.error()));
    outputs.push_back(*std::move(output));
  }
  for (OutputSpec& output : outputs) {
    auto* file = std::get_if<FileOutput>(&output.target);
    if (file == nullptr) continue;
    file->split = words.split;
    // A session's files have been named by the daemon.
    if (words.mixed_outputs) continue;
    if (auto named = expand_file_name(file->path, {}); !named) return std::unexpected(std::move(named.error()));
  }
  for (auto output = outputs.begin(); output != outputs.end(); ++output) {
    const auto same = [&](const OutputSpec& other) { return same_place(*output, other); };
    if (std::any_of(std::next(output), outputs.end(), same)) {
      return invalid("--tee", fmt::format("{} is given twice", in_quotes(output->name())));
    }
  }
  const auto to_stdout = std::ranges::count_if(
      outputs, [](const OutputSpec& output) { return std::holds_alternative<StdoutOutput>(output.target); });
  if (to_stdout > 1) return invalid("--tee", "only one output can be stdout");
  if (words.options.follow_size) {
    for (const OutputSpec& output : outputs) {
      if (!std::holds_alternative<StdoutOutput>(output.target) || info(output.container).takes_new_size) continue;
      return invalid("--resize", fmt::format("{} on stdout has one size; 'follow' needs a file, or --container ts",
                                             info(output.container).title));
    }
  }
  const bool splits = words.split.time.count() > 0 || words.split.bytes > 0;
  if (to_stdout == 1 && splits) return invalid("--split", "stdout is one stream; only files are split");
  if (to_stdout == 1 && words.options.json) return invalid("--json", "stdout already carries the video");
  const auto codec = wanted_codec(words.options.encoder);
  for (const OutputSpec& output : outputs) {
    if (!codec) break;
    if (auto fits = check_codec(output.container, *codec); !fits) return std::unexpected(std::move(fits.error()));
  }
  return outputs;
}

}  // namespace zc
