#include "settings/record_arguments.h"

#include "encode/encoder_chain.h"
#include "encode/encoder_table.h"
#include "settings/audio_arguments.h"
#include "settings/encoding_arguments.h"
#include "settings/layer_arguments.h"
#include "settings/output_arguments.h"
#include "settings/values.h"

#include <algorithm>
#include <array>
#include <chrono>
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
constexpr std::array<std::string_view, 13> kSourceWords{
    "portal", "portal:monitor", "portal:window", "portal:virtual", "portal:multiple", "camera", "camera:",
    "node:",  "file:",          "wayland",       "kwin",           "mutter",          "test"};
constexpr std::string_view kSource = "Source";
constexpr std::string_view kPicture = "Picture";
constexpr std::string_view kReport = "Report";

std::unexpected<Error> invalid(std::string operation, std::string detail) {
  return fail(ErrorKind::Invalid, std::move(operation), std::move(detail));
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
            "portal:virtual, or with 'portal:multiple' or 'portal:window,multiple' be several of them side by side; "
            "'node:NAME', 'node:ID' and 'node:serial=N' are PipeWire video nodes as 'zerocast "
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
        .alias = "-s",
        .once = "several monitors or windows are 'portal:multiple', or a --region; others lie above it by --layer"},
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
                                            encoding_arguments(live), output_arguments(live), report_rows()}) {
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
  if (auto fits = check_audio_sources(words.options); !fits) return std::unexpected(std::move(fits.error()));
  if (auto stored = store(parse_outputs(words), words.options.outputs); !stored) {
    return std::unexpected(std::move(stored.error()));
  }
  if (auto chosen = choose_audio_codec(words); !chosen) return std::unexpected(std::move(chosen.error()));
  return std::move(words.options);
}

}  // namespace zc
