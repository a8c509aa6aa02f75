#include "cli/command_table.h"

#include "cli/camera_command.h"
#include "cli/daemon_command_table.h"
#include "cli/remux_command.h"
#include "cli/snapshot_command.h"
#include "cli/table_command.h"
#include "cli/view_command.h"
#include "settings/record_arguments.h"
#include "settings/values.h"

#include <algorithm>
#include <array>
#include <utility>

namespace zc {
namespace {

constexpr std::array kRecordExamples{
    Example{"zerocast record desktop.mkv", "Record the desktop until Ctrl-C."},
    Example{"zerocast record --codec hevc --fps 60 --seconds 10 clip.mp4",
            "Ten seconds of HEVC at a constant 60 frames/s."},
    Example{"zerocast record --audio desktop --audio mic,track=2 call.mkv",
            "With sound: what is played, and the microphone in a track of its own."},
    Example{"zerocast record --source portal:window --crf 18 --chroma 444 window.mkv",
            "One window, near lossless, with sharp coloured text."},
    Example{"zerocast record --source node:weston.pipewire --size 1280x720 screen.mkv",
            "A PipeWire node by its name, scaled."},
    Example{"zerocast record --tee udp://192.0.2.7:5000 --bitrate 6M show.mkv",
            "Record, and send the same packets to another machine."},
    Example{"zerocast record --tee camera:zerocast show.mkv",
            "Record, and show the same as a camera to other programs."},
    Example{"zerocast record --source test:640x480@30 --seconds 2 --json pattern.mkv",
            "The test pattern, with a report for a script."},
};
constexpr std::array kStreamExamples{
    Example{"zerocast stream 'srt://192.0.2.7:9000?passphrase=correct-horse'", "Send over encrypted SRT."},
    Example{"zerocast stream --bitrate 4M --tee local.mkv 'srt://:9000?mode=listener'",
            "Wait for viewers, and keep a file."},
    Example{"zerocast stream --key-file ~/.twitch-key --audio desktop twitch", "To a platform, with sound."},
    Example{"zerocast stream --codec h264 --fps 30 udp://239.1.2.3:5000", "Multicast H.264 at a constant rate."},
};
constexpr std::array kSourcesExamples{
    Example{"zerocast sources", "What can be captured now."},
    Example{"zerocast sources --json", "The same for a script."},
};
constexpr std::array kEncodersExamples{
    Example{"zerocast encoders", "What this machine can encode with."},
    Example{"zerocast encoders --bit-depth 10 --size 3840x2160", "What it can do for 10-bit 4K."},
};
constexpr std::array kProbeExamples{
    Example{"zerocast zerocopy-probe", "Which way frames take here, why, and what would make it a better one."},
    Example{"zerocast zerocopy-probe --json", "All findings, for a script or a bug report."},
};
constexpr std::array kVerifyExamples{
    Example{"zerocast verify desktop.mkv", "What is in a recording, and whether all of it is there."},
    Example{"zerocast verify --json --decoder software clip.mp4", "For a script, without the graphics card."},
    Example{"zerocast verify --seconds 10 'srt://192.0.2.7:9000'", "Ten seconds of a live stream, with its delay."},
};
constexpr std::array kVerifyExits{
    CommandExit{0, "The stream is sound. Also after Ctrl-C: what was read is."},
    CommandExit{2, "Bad usage, or an input that is no such stream: missing, a folder, empty, something else."},
    CommandExit{3, "The peer does not answer, or nothing comes from it."},
    CommandExit{8, "The stream was read and has faults."},
};
constexpr std::array kCompletionExamples{
    Example{"zerocast completion bash", "For 'source <(zerocast completion bash)' in ~/.bashrc."},
};

std::unique_ptr<Command> record_command(bool live) {
  CommandInfo info;
  if (live) {
    info = {.name = "stream",
            .summary = "Stream the desktop to a network peer",
            .details =
                "Captures a source, encodes it for low delay and sends MPEG-TS over SRT, UDP or TCP. A peer "
                "that is slow or gone never stalls the capture: packets are dropped to the next keyframe and "
                "the peer is called again. SIGUSR1 makes the next picture a keyframe.",
            .arguments = {},
            .examples = kStreamExamples};
  } else {
    info = {.name = "record",
            .summary = "Record the desktop to a file",
            .details =
                "Captures a source, encodes it and writes a file that any player opens. Ctrl-C ends the "
                "recording and completes the file; a file whose recording was killed still plays. SIGUSR1 makes the "
                "next picture a keyframe.",
            .arguments = {},
            .examples = kRecordExamples};
  }
  return std::make_unique<TableCommand<RecordWords>>(
      std::move(info), record_arguments(live), record_conflicts(), record_defaults(live),
      [](RecordWords words) -> Result<Invocation> { return finish_record(std::move(words)); },
      [](const Config& config, std::span<const std::string_view> given, RecordWords& words) {
        const bool stream = words.options.live;
        return apply_defaults(stream ? config.stream : config.record, given,
                              stream ? SettingScope::Stream : SettingScope::Record, words);
      });
}

std::unique_ptr<Command> sources_command() {
  return std::make_unique<TableCommand<SourcesOptions>>(
      CommandInfo{.name = "sources",
                  .summary = "List what can be captured now",
                  .details = "Shows the desktop portal, every PipeWire video node with format, size and rate, and "
                             "cameras. The first column is what --source takes.",
                  .arguments = {},
                  .examples = kSourcesExamples},
      std::vector{json_row<SourcesOptions>("Print one JSON object instead of a table.")}, std::span<const Conflict>{},
      SourcesOptions{}, [](SourcesOptions options) -> Result<Invocation> { return options; });
}

constexpr std::array<Choice<unsigned>, 2> kBitDepths{{{"8", 8}, {"10", 10}}};
constexpr std::array<Choice<Chroma>, 2> kChromas{{{"420", Chroma::Yuv420}, {"444", Chroma::Yuv444}}};
constexpr auto kBitDepthWords = words(kBitDepths);
constexpr auto kChromaWords = words(kChromas);

std::unique_ptr<Command> encoders_command() {
  using Row = ArgumentRow<EncodersOptions>;
  constexpr std::string_view kProbe = "Probe";
  std::vector<Row> rows{
      {{.name = "--size",
        .value = "WxH",
        .group = kProbe,
        .help = "Size of the picture each encoder is tried with.",
        .fallback = "1920x1080"},
       [](EncodersOptions& o, std::string_view option, std::string_view text) {
         return store(size_value(option, text), o.size);
       }},
      {{.name = "--bit-depth",
        .value = "BITS",
        .group = kProbe,
        .help = "Bits per colour component.",
        .fallback = "8",
        .choices = kBitDepthWords},
       [](EncodersOptions& o, std::string_view option, std::string_view text) {
         return store(choice_value(option, text, kBitDepths), o.bit_depth);
       }},
      {{.name = "--chroma",
        .value = "FORMAT",
        .group = kProbe,
        .help = "Colour resolution.",
        .fallback = "420",
        .choices = kChromaWords},
       [](EncodersOptions& o, std::string_view option, std::string_view text) {
         return store(choice_value(option, text, kChromas), o.chroma);
       }},
      json_row<EncodersOptions>("Print one JSON object instead of a table."),
  };
  return std::make_unique<TableCommand<EncodersOptions>>(
      CommandInfo{.name = "encoders",
                  .summary = "List what this machine can encode with",
                  .details =
                      "Tries every encoder zerocast knows by encoding a picture and decoding it again, and says for "
                      "each one that does not work why.",
                  .arguments = {},
                  .examples = kEncodersExamples},
      std::move(rows), std::span<const Conflict>{}, EncodersOptions{},
      [](EncodersOptions options) -> Result<Invocation> { return options; });
}

constexpr unsigned kMaxProbeSeconds = 600;

std::unique_ptr<Command> zerocopy_probe_command() {
  using Row = ArgumentRow<ZerocopyProbeOptions>;
  std::vector<Row> rows{
      {{.name = "--timeout",
        .value = "SECONDS",
        .group = "Probe",
        .help = "How long one step may take before it counts as hung.",
        .fallback = "30"},
       [](ZerocopyProbeOptions& o, std::string_view option, std::string_view text) {
         return store(seconds_value(option, text, kMaxProbeSeconds), o.step_limit);
       }},
      json_row<ZerocopyProbeOptions>("Print one JSON object instead of tables."),
  };
  return std::make_unique<TableCommand<ZerocopyProbeOptions>>(
      CommandInfo{.name = "zerocopy-probe",
                  .summary = "Show which way frames take on this machine, and why",
                  .details =
                      "Asks Vulkan, EGL, CUDA and VA-API about every GPU, tries each route with frames it makes "
                      "itself and compares every sample with the CPU route's, tries each encoder and decoder, "
                      "looks at permissions, and says which route a recording takes here, why, and what to change "
                      "for a better one. Every step runs in a process of its own with a time limit: a driver that "
                      "crashes or hangs is a line of the report.",
                  .arguments = {},
                  .examples = kProbeExamples},
      std::move(rows), std::span<const Conflict>{}, ZerocopyProbeOptions{},
      [](ZerocopyProbeOptions options) -> Result<Invocation> { return options; });
}

using DecoderChoice = Choice<std::optional<DecoderBackend>>;
constexpr std::array kDecoders{DecoderChoice{"auto", std::nullopt}, DecoderChoice{"software", DecoderBackend::Software},
                               DecoderChoice{"nvdec", DecoderBackend::Nvdec},
                               DecoderChoice{"vaapi", DecoderBackend::Vaapi},
                               DecoderChoice{"vulkan", DecoderBackend::Vulkan}};
constexpr auto kDecoderWords = words(kDecoders);
constexpr auto kFaultChoices = [] {
  std::array<Choice<verify::FaultKind>, verify::kFaultKinds.size()> choices{};
  for (std::size_t i = 0; i < choices.size(); ++i) {
    choices.at(i) = {to_string(verify::kFaultKinds.at(i)), verify::kFaultKinds.at(i)};
  }
  return choices;
}();
constexpr auto kFaultWords = words(kFaultChoices);
constexpr unsigned kMaxVerifyTimeout = 3600;
constexpr unsigned kMaxPsnr = 100;

std::unique_ptr<Command> verify_command() {
  using Row = ArgumentRow<VerifyCommandOptions>;
  using Options = VerifyCommandOptions;
  using Text = std::string_view;
  constexpr std::string_view kInput = "Input";
  constexpr std::string_view kJudge = "Judgement";
  std::vector<Row> rows{
      {{.name = "FILE",
        .value = "FILE",
        .group = kInput,
        .help = "What to read: a file, '-' for stdin, or srt://, udp:// or tcp://HOST:PORT with the options that "
                "'zerocast stream' takes (mode=listener, passphrase=..., listen=1). udp:// listens on the port.",
        .fallback = "",
        .files = true},
       [](Options& o, Text, Text text) -> Result<void> {
         o.verify.input = text;
         return {};
       }},
      {{.name = "--decoder",
        .value = "DECODER",
        .group = kInput,
        .help = "What decodes: 'auto' is the first that works of NVDEC, VA-API and Vulkan Video, else software.",
        .fallback = "auto",
        .choices = kDecoderWords},
       [](Options& o, Text option, Text text) {
         return store(choice_value(option, text, kDecoders), o.verify.decoder);
       }},
      {{.name = "--seconds",
        .value = "N",
        .group = kInput,
        .help = "Read so many seconds of the stream. Without it, to its end.",
        .fallback = ""},
       [](Options& o, Text option, Text text) { return store(seconds_value(option, text), o.verify.duration); }},
      {{.name = "--timeout",
        .value = "SECONDS",
        .group = kInput,
        .help = "Longest time to wait for a peer, and for the next picture from it.",
        .fallback = "10"},
       [](Options& o, Text option, Text text) {
         return store(seconds_value(option, text, kMaxVerifyTimeout), o.verify.timeout);
       }},
      {{.name = "--painted",
        .value = "WxH",
        .group = kJudge,
        .help = "Size of the picture when its number was painted, where it was scaled since.",
        .fallback = ""},
       [](Options& o, Text option, Text text) { return store(size_value(option, text), o.verify.painted); }},
      {{.name = "--max-gap",
        .value = "SECONDS",
        .group = kJudge,
        .help = "Longest time between two pictures that is no fault; a recording repeats a still screen once a second.",
        .fallback = "1.5"},
       [](Options& o, Text option, Text text) { return store(seconds_value(option, text), o.verify.max_gap); }},
      {{.name = "--min-psnr",
        .value = "DB",
        .group = kJudge,
        .help = "How much a picture of the test source must look like itself, in dB of PSNR; 0 takes any.",
        .fallback = "20"},
       [](Options& o, Text option, Text text) {
         return store(number_value(option, text, 0, kMaxPsnr), o.verify.min_psnr);
       }},
      {{.name = "--allow",
        .value = "FAULT",
        .group = kJudge,
        .help = "Report this kind of fault but exit as if there were none; may be given several times.",
        .fallback = "",
        .choices = kFaultWords,
        .repeatable = true},
       [](Options& o, Text option, Text text) {
         return store(choice_value(option, text, kFaultChoices), o.verify.allowed.emplace_back());
       }},
      json_row<Options>("Print one JSON object instead of text."),
  };
  return std::make_unique<TableCommand<Options>>(
      CommandInfo{
          .name = "verify",
          .summary = "Read a recording or stream back and say what is wrong with it",
          .details =
              "Decodes H.264, HEVC or AV1 in Matroska, MP4 or MPEG-TS, on the graphics card where that works, "
              "and counts missing, repeated and out-of-order pictures, gaps and decoding errors. Pictures "
              "with a number painted in (the 'test' source's) are counted by it, others by time and "
              "content; those of the test source are compared with the source's own (PSNR, SSIM), and of a "
              "live stream from this machine the delay from painting to decoding is told. Sound is looked through "
              "for gaps, and that of '--audio test' for how far it is beside the pictures. Also shows codec, "
              "size, colour description and HDR metadata.",
          .arguments = {},
          .examples = kVerifyExamples,
          .exits = kVerifyExits},
      std::move(rows), std::span<const Conflict>{}, Options{},
      [](Options options) -> Result<Invocation> { return options; });
}

constexpr std::array<Choice<Shell>, 3> kShells{{{"bash", Shell::Bash}, {"zsh", Shell::Zsh}, {"fish", Shell::Fish}}};
constexpr auto kShellWords = words(kShells);

std::unique_ptr<Command> completion_command() {
  using Row = ArgumentRow<CompletionOptions>;
  std::vector<Row> rows{{{.name = "SHELL",
                          .value = "SHELL",
                          .group = "Shell",
                          .help = "Whose completion file to print.",
                          .fallback = "",
                          .choices = kShellWords},
                         [](CompletionOptions& o, std::string_view option, std::string_view text) {
                           return store(choice_value(option, text, kShells), o.shell);
                         }}};
  return std::make_unique<TableCommand<CompletionOptions>>(
      CommandInfo{.name = "completion",
                  .summary = "Print a shell completion file",
                  .details = "The installed package brings these files along; this prints them for a build tree or a "
                             "home directory.",
                  .arguments = {},
                  .examples = kCompletionExamples},
      std::move(rows), std::span<const Conflict>{}, CompletionOptions{},
      [](CompletionOptions options) -> Result<Invocation> { return options; });
}

constexpr std::array<Choice<ConfigAction>, 4> kConfigActions{{{"show", ConfigAction::Show},
                                                              {"path", ConfigAction::Path},
                                                              {"example", ConfigAction::Example},
                                                              {"check", ConfigAction::Check}}};
constexpr auto kConfigActionWords = words(kConfigActions);
constexpr std::array kConfigExamples{
    Example{"zerocast config show", "Print what is in force, and where each value comes from."},
    Example{"zerocast config example", "Print a file with every setting and its default, to start from."},
};

std::unique_ptr<Command> config_command() {
  using Row = ArgumentRow<ConfigOptions>;
  std::vector<Row> rows{{{.name = "ACTION",
                          .value = "ACTION",
                          .group = "Configuration",
                          .help = "What to print: the values in force, the file's path, or an example of a file; "
                                  "or only check the file.",
                          .fallback = "",
                          .choices = kConfigActionWords},
                         [](ConfigOptions& o, std::string_view option, std::string_view text) {
                           return store(choice_value(option, text, kConfigActions), o.action);
                         }}};
  return std::make_unique<TableCommand<ConfigOptions>>(
      CommandInfo{.name = "config",
                  .summary = "Show the configuration in force",
                  .details = "The configuration file holds the user's own defaults of 'record' and 'stream', under the "
                             "names of their options, what the daemon is to do, and sessions that it starts by their "
                             "names. What is typed wins over it.",
                  .arguments = {},
                  .examples = kConfigExamples},
      std::move(rows), std::span<const Conflict>{}, ConfigOptions{},
      [](ConfigOptions options) -> Result<Invocation> { return options; });
}

}  // namespace

std::vector<std::unique_ptr<Command>> make_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(record_command(false));
  commands.push_back(record_command(true));
  commands.push_back(make_camera_command());
  commands.push_back(make_view_command());
  commands.push_back(make_snapshot_command());
  commands.push_back(sources_command());
  commands.push_back(encoders_command());
  commands.push_back(zerocopy_probe_command());
  commands.push_back(verify_command());
  commands.push_back(make_remux_command());
  for (auto& command : make_daemon_commands()) commands.push_back(std::move(command));
  commands.push_back(config_command());
  commands.push_back(completion_command());
  return commands;
}

}  // namespace zc
