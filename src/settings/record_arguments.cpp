#include "settings/record_arguments.h"

#include "base/file_names.h"
#include "encode/encoder_chain.h"
#include "encode/encoder_table.h"
#include "settings/audio_arguments.h"
#include "settings/encoding_arguments.h"
#include "settings/layer_arguments.h"
#include "settings/platforms.h"
#include "settings/values.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>
#include <variant>

namespace zc {
namespace {

constexpr std::array<Choice<CursorMode>, 3> kCursorModes{
    {{"hidden", CursorMode::Hidden}, {"embedded", CursorMode::Embedded}, {"metadata", CursorMode::Metadata}}};
constexpr std::array<Choice<ColourRange>, 2> kRanges{{{"limited", ColourRange::Limited}, {"full", ColourRange::Full}}};
// Transfer: ITU-R BT.601, BT.709 and BT.2020 define the same curve for SDR; the tag follows the standard chosen.
constexpr std::array<Choice<ColourMatrix>, 3> kMatrices{
    {{"bt709", ColourMatrix::BT709}, {"bt601", ColourMatrix::BT601}, {"bt2020", ColourMatrix::BT2020}}};
constexpr std::array<Choice<ColourPrimaries>, 3> kPrimaries{
    {{"bt709", ColourPrimaries::BT709}, {"bt601", ColourPrimaries::BT601}, {"bt2020", ColourPrimaries::BT2020}}};
constexpr std::array<Choice<TransferFunction>, 5> kTransfers{{{"bt709", TransferFunction::BT709},
                                                              {"srgb", TransferFunction::SRGB},
                                                              {"bt2020-10", TransferFunction::BT2020_10},
                                                              {"pq", TransferFunction::PQ},
                                                              {"hlg", TransferFunction::HLG}}};
constexpr std::array<Choice<ColourDescription>, 5> kColours{
    {{"bt709", kBt709Limited},
     {"bt601", {ColourMatrix::BT601, ColourRange::Limited, ColourPrimaries::BT601, TransferFunction::BT709}},
     {"bt2020", {ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020, TransferFunction::BT2020_10}},
     {"bt2100-pq", {ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020, TransferFunction::PQ}},
     {"bt2100-hlg", {ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020, TransferFunction::HLG}}}};

constexpr std::array<Choice<bool>, 2> kPaces{{{"real-time", false}, {"none", true}}};
constexpr std::array<Choice<bool>, 2> kResizes{{{"keep", false}, {"follow", true}}};

constexpr auto kCursorWords = words(kCursorModes);
constexpr auto kResizeWords = words(kResizes);
constexpr auto kPaceWords = words(kPaces);
constexpr auto kRangeWords = words(kRanges);
constexpr auto kColourWords = words(kColours);
constexpr auto kMatrixWords = words(kMatrices);
constexpr auto kPrimariesWords = words(kPrimaries);
constexpr auto kTransferWords = words(kTransfers);
constexpr std::array<std::string_view, 12> kSourceWords{"portal",  "portal:monitor", "portal:window", "portal:virtual",
                                                        "camera",  "camera:",        "node:",         "file:",
                                                        "wayland", "kwin",           "mutter",        "test"};
constexpr std::array<std::string_view, 8> kSchemeWords{"srt://",   "udp://", "tcp://",  "rtmp://",
                                                       "rtmps://", "rtp://", "rtsp://", "hls://"};

constexpr std::string_view kSource = "Source";
constexpr std::string_view kPicture = "Picture";
constexpr std::string_view kOutput = "Output";
constexpr std::string_view kReport = "Report";

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

constexpr std::array kConflicts{
    Conflict{"--size", "--resize", "a size that was asked for stays"},
    Conflict{"--crf", "--bitrate", "both set the rate control"},
    Conflict{"--crf", "--adaptive", "a constant quality has no bit rate to change"},
    Conflict{"--fps", "--min-fps", "a constant rate repeats pictures already"},
    Conflict{"--fps", "--max-fps", "no more than a constant rate is asked for"},
    Conflict{"--no-restore", "--restore-slot", "one turns off what the other names"},
    Conflict{"FILE", "--output", "both name the file"},
};

using Row = ArgumentRow<RecordWords>;
using Words = RecordWords;
using Text = std::string_view;

std::vector<Row> source_rows() {
  return {
      {{.name = "--source",
        .value = "SOURCE",
        .group = kSource,
        .help =
            "What to capture: 'portal' asks the desktop and may be narrowed to portal:monitor, portal:window or "
            "portal:virtual; 'node:NAME', 'node:ID' and 'node:serial=N' are PipeWire video nodes as 'zerocast "
            "sources' lists them. Without a dialog, where the compositor allows it: 'wayland', 'wayland:OUTPUT' and "
            "'wayland:window:IDENTIFIER' are copied by the compositor itself (sway, cosmic and others); 'kwin' and "
            "'mutter', followed by ':OUTPUT', ':window:ID', ':area:X,Y WxH' or ':virtual:WxH' (a new monitor), are "
            "streams of KWin's and Mutter's own. 'camera', 'camera:NAME' and 'camera:NAME@1280x720@30' are cameras, "
            "'camera:portal' one by the desktop's permission; 'file:clip.mp4' and 'file:list.m3u' play media files of "
            "this machine, with ,loop and ,start=1:30 if wanted. 'test' is a synthetic pattern that needs neither "
            "desktop nor "
            "PipeWire, such as test:1280x720@30. 'image:FILE.png', 'text:TEXT' (with ',px=', ',color=', "
            "',background=' and ',font=') and 'clock:%H:%M' are pictures of their own, of use as layers.",
        .fallback = "portal",
        .suggestions = kSourceWords,
        .alias = "-s"},
       [](Words& w, Text, Text text) -> Result<void> {
         w.source = text;
         return {};
       }},
      {{.name = "--pace",
        .value = "PACE",
        .group = kSource,
        .help =
            "Of a media file: pictures come at their own times, or ('none') as fast as they are encoded. Then every "
            "picture is encoded, none is left out, and their times stay what they are in the file.",
        .fallback = "real-time",
        .choices = kPaceWords},
       [](Words& w, Text option, Text text) { return store(choice_value(option, text, kPaces), w.options.unpaced); }},
      {{.name = "--cursor",
        .value = "MODE",
        .group = kSource,
        .help = "The pointer: left out, drawn by the compositor, or sent beside the picture and drawn by zerocast.",
        .fallback = "embedded",
        .choices = kCursorWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kCursorModes), w.options.cursor);
       }},
      {{.name = "--region",
        .value = "REGION",
        .group = kSource,
        .help =
            "Only this part of the desktop, 'X,Y WxH' in its logical pixels, as slurp prints it: --region "
            "\"$(slurp)\". With 'wayland' it may reach over several outputs, which become one picture; it goes with "
            "'kwin', 'mutter' and a monitor of the portal's, too. --crop takes a part of the source's picture "
            "instead.",
        .fallback = ""},
       [](Words& w, Text option, Text text) { return store(region_value(option, text), w.options.region); }},
      {{.name = "--no-restore",
        .value = "",
        .group = kSource,
        .help = "Ask the desktop anew: neither use nor keep a permission given before.",
        .fallback = ""},
       [](Words& w, Text, Text) -> Result<void> {
         w.options.restore = false;
         return {};
       }},
      {{.name = "--restore-slot",
        .value = "NAME",
        .group = kSource,
        .help = "Keep the desktop's permission under this name, so that several set-ups each have their own.",
        .fallback = "default"},
       [](Words& w, Text option, Text text) { return store(name_value(option, text), w.options.restore_slot); }},
  };
}

std::vector<Row> picture_rows() {
  return {
      {{.name = "--size",
        .value = "WxH",
        .group = kPicture,
        .help = "Scale to this size; bars are added when the aspect ratio differs. Without it, the source's own size.",
        .fallback = ""},
       [](Words& w, Text option, Text text) { return store(size_value(option, text), w.options.size); }},
      {{.name = "--resize",
        .value = "MODE",
        .group = kPicture,
        .help = "When the source changes its size, a window for example: keep the size that the recording began with "
                "and scale into it, or follow the source once its size has stood still for half a second. MPEG-TS then "
                "goes on in the new size; MP4 and Matroska go on in a further file: after clip.mkv comes clip-2.mkv. "
                "Excludes --size.",
        .fallback = "keep",
        .choices = kResizeWords},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kResizes), w.options.follow_size);
       }},
      {{.name = "--crop",
        .value = "WxH+X+Y",
        .group = kPicture,
        .help = "Take this part of the source's picture, before scaling. Pictures that have nothing of it are left "
                "out; when "
                "the first one has not, it is an error.",
        .fallback = ""},
       [](Words& w, Text option, Text text) { return store(crop_value(option, text), w.options.crop); }},
      {{.name = "--fps",
        .value = "N",
        .group = kPicture,
        .help =
            "Constant frame rate: pictures are repeated or dropped to hold it, as some editors need. Without it the "
            "rate is variable, with every picture at its true time.",
        .fallback = "",
        .alias = "-f"},
       [](Words& w, Text option, Text text) { return store(rate_value(option, text), w.options.constant_rate); }},
      {{.name = "--max-fps",
        .value = "N",
        .group = kPicture,
        .help =
            "No more pictures a second: the source is asked for no more, so that a desktop on a 240 Hz screen copies "
            "fewer for the recording, and what comes beyond that, as from a camera, is left out.",
        .fallback = ""},
       [](Words& w, Text option, Text text) { return store(rate_value(option, text), w.options.max_rate); }},
      {{.name = "--min-fps",
        .value = "N",
        .group = kPicture,
        .help = "Repeat a picture that does not change at least this often; 0 repeats it at the end only.",
        .fallback = "1"},
       [](Words& w, Text option, Text text) { return store(min_rate_value(option, text), w.options.min_rate); }},
      {{.name = "--seconds",
        .value = "N",
        .group = kPicture,
        .help = "Stop after so many seconds. Without it, Ctrl-C ends the recording.",
        .fallback = ""},
       [](Words& w, Text option, Text text) { return store(seconds_value(option, text), w.options.duration); }},
      {{.name = "--colour",
        .value = "STANDARD",
        .group = kPicture,
        .help =
            "Colour standard of the coded picture. The samples are converted by its matrix; primaries and transfer "
            "function are only named, so choose those the desktop has. HDR pictures (PQ) are tone-mapped for an SDR "
            "standard; bt2100-pq and bt2100-hlg need a source whose pictures say that they are that.",
        .fallback = "bt709",
        .choices = kColourWords,
        .alias = "--color"},
       [](Words& w, Text option, Text text) {
         return store(choice_value(option, text, kColours), w.options.encoder.colour);
       }},
      {{.name = "--range",
        .value = "RANGE",
        .group = kPicture,
        .help = "Range of the coded values.",
        .fallback = "limited",
        .choices = kRangeWords},
       [](Words& w, Text option, Text text) { return store(choice_value(option, text, kRanges), w.range); }},
      {{.name = "--matrix",
        .value = "MATRIX",
        .group = kPicture,
        .help = "Matrix of the conversion, where it is not the standard's.",
        .fallback = "",
        .choices = kMatrixWords},
       [](Words& w, Text option, Text text) { return store(choice_value(option, text, kMatrices), w.matrix); }},
      {{.name = "--primaries",
        .value = "PRIMARIES",
        .group = kPicture,
        .help = "Primaries that the file names, where they are not the standard's.",
        .fallback = "",
        .choices = kPrimariesWords},
       [](Words& w, Text option, Text text) { return store(choice_value(option, text, kPrimaries), w.primaries); }},
      {{.name = "--transfer",
        .value = "FUNCTION",
        .group = kPicture,
        .help = "Transfer function that the file names, where it is not the standard's. pq and hlg only where the "
                "source's pictures have it.",
        .fallback = "",
        .choices = kTransferWords},
       [](Words& w, Text option, Text text) { return store(choice_value(option, text, kTransfers), w.transfer); }},
      {{.name = "--hdr10-mastering",
        .value = "DISPLAY",
        .group = kPicture,
        .help = "Colour volume of the mastering display, for HEVC and AV1 with --colour bt2100-pq --bit-depth 10: "
                "G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min) in units of 0.00002 and 0.0001 cd/m2, as x265 takes it.",
        .fallback = ""},
       [](Words& w, Text option, Text text) {
         return store(mastering_value(option, text), w.options.encoder.hdr.mastering);
       }},
      {{.name = "--hdr10-light",
        .value = "MAXCLL,MAXFALL",
        .group = kPicture,
        .help = "Brightest pixel and brightest picture on average in cd/m2, such as 1000,400; likewise.",
        .fallback = ""},
       [](Words& w, Text option, Text text) { return store(light_value(option, text), w.options.encoder.hdr.light); }},
  };
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

std::vector<Row> output_rows(bool live) {
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

std::vector<Row> report_rows() {
  return {
      {{.name = "--json",
        .value = "",
        .group = kReport,
        .help = "When done, print the report as one JSON object on the last line of stdout.",
        .fallback = ""},
       [](Words& w, Text, Text) -> Result<void> {
         w.options.json = true;
         return {};
       }},
      {{.name = "--quiet",
        .value = "",
        .group = kReport,
        .help = "No status line and no report; errors and warnings only.",
        .fallback = "",
        .alias = "-q"},
       [](Words& w, Text, Text) -> Result<void> {
         w.options.quiet = true;
         return {};
       }},
  };
}

/// The codec that was asked for, by its name or by an encoder's.
std::optional<Codec> wanted_codec(const EncoderSettings& settings) {
  if (settings.codec || !settings.encoder) return settings.codec;
  const EncoderRow* row = find_encoder_row(*settings.encoder);
  return row == nullptr ? std::nullopt : std::optional(row->codec);
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

/// Whether any of them goes to platforms, relays or the players of many: not as MPEG-TS.
bool publishes(const RecordWords& words) {
  const auto to_relay = [](const std::string& text) {
    return std::ranges::any_of(std::array{"rtmp:", "rtmps:", "rtp:", "rtsp:"},
                               [&](const char* scheme) { return text.starts_with(scheme); });
  };
  return to_relay(words.output) || (words.options.live && platform_url(words.output)) ||
         std::ranges::any_of(words.tees, to_relay);
}

/// FILE or URL and every --tee, parsed and checked against each other.
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

/// --adaptive has a bit rate to change.
Result<void> check_adaptive(const RecordOptions& options) {
  if (!options.adaptive) return {};
  const EncoderSettings& encoder = options.encoder;
  if (!encoder.bit_rate || encoder.rate_control == RateControl::Quality) {
    return invalid("--adaptive", "it needs --bitrate RATE, the most that is sent, such as --bitrate 6M");
  }
  if (options.min_bit_rate && *options.min_bit_rate > *encoder.bit_rate) {
    return invalid("--min-bitrate", "it is above --bitrate");
  }
  return {};
}

}  // namespace

std::vector<ArgumentRow<RecordWords>> record_arguments(bool live) {
  std::vector<Row> rows;
  for (std::vector<Row>& group : std::array{source_rows(), picture_rows(), layer_arguments(), audio_arguments(),
                                            encoding_arguments(live), output_rows(live), report_rows()}) {
    rows.insert(rows.end(), group.begin(), group.end());
  }
  return rows;
}

RecordWords record_defaults(bool live) {
  RecordWords words;
  words.options.live = live;
  if (live) words.options.encoder.preset = Preset::LowLatency;
  return words;
}

std::span<const Conflict> record_conflicts() { return kConflicts; }

Result<void> check_encoder(const RecordOptions& options) {
  const bool cameras = !options.outputs.empty() && std::ranges::all_of(options.outputs, &OutputSpec::camera);
  if (cameras && !options.replay) return {};
  const auto chain = EncoderChain::create(options.encoder);
  if (!chain) return std::unexpected(chain.error());
  constexpr Size kOrdinary{1280, 720};  // where the source decides the size, it is no reason to refuse
  const VideoParameters video{.size = options.size.value_or(kOrdinary)};
  Result<void> refused;
  for (const EncoderRow* row : chain->candidates()) {
    refused = validate_for(*row, options.encoder, video);
    if (refused) break;
  }
  return refused;
}

Result<RecordOptions> finish_record(RecordWords words) {
  if (auto adaptable = check_adaptive(words.options); !adaptable) return std::unexpected(std::move(adaptable.error()));
  ColourDescription& colour = words.options.encoder.colour;
  if (words.rgb) {
    if (words.matrix) return invalid("--matrix", "--chroma rgb has none");
    colour = {kRgbFull.matrix, kRgbFull.range, colour.primaries,
              colour.transfer == TransferFunction::BT709 ? kRgbFull.transfer : colour.transfer};
  }
  colour.matrix = words.matrix.value_or(colour.matrix);
  colour.range = words.range.value_or(colour.range);
  colour.primaries = words.primaries.value_or(colour.primaries);
  colour.transfer = words.transfer.value_or(colour.transfer);
  // What every platform, relay and player takes.
  if (publishes(words) && !wanted_codec(words.options.encoder)) words.options.encoder.codec = Codec::H264;
  const auto encodable = check_encoder(words.options);
  if (!encodable && encodable.error().kind == ErrorKind::Invalid) return std::unexpected(encodable.error());
  if (auto stored = store(parse_source(words.source), words.options.source); !stored) {
    return std::unexpected(std::move(stored.error()));
  }
  if (words.options.unpaced && !std::holds_alternative<FileSpec>(words.options.source)) {
    return invalid("--pace none", "only media files (--source file:PATH) can come faster than real time");
  }
  if (words.options.unpaced && !words.options.audio.inputs.empty()) {
    return invalid("--pace none", "sound comes in real time: leave out --audio");
  }
  if (auto stored = store(parse_outputs(words), words.options.outputs); !stored) {
    return std::unexpected(std::move(stored.error()));
  }
  if (auto chosen = choose_audio_codec(words); !chosen) return std::unexpected(std::move(chosen.error()));
  return std::move(words.options);
}

}  // namespace zc
