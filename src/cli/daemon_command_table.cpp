#include "cli/daemon_command_table.h"

#include "base/file_names.h"
#include "capture/source_spec.h"
#include "cli/layer_words.h"
#include "cli/table_command.h"
#include "settings/audio_arguments.h"
#include "settings/layer_arguments.h"
#include "settings/record_arguments.h"
#include "settings/values.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <system_error>

namespace zc {
namespace {

using Text = std::string_view;

constexpr std::array kDaemonExamples{
    Example{"zerocast daemon", "Run it in the foreground."},
};

std::unique_ptr<Command> daemon_command() {
  return std::make_unique<TableCommand<DaemonOptions>>(
      CommandInfo{.name = "daemon",
                  .summary = "Run the daemon, which holds sessions and is driven over D-Bus",
                  .details =
                      "'systemctl --user enable --now zerocast' lets systemd run it, from now on and at every "
                      "login. Each session runs in a process of its own; what a driver or a library does there touches "
                      "neither the daemon nor other sessions. Everything is set up in the configuration file: "
                      "see 'zerocast config example'. SIGHUP reads it anew, SIGTERM completes every file and "
                      "ends. Exit codes: 2 a wrong configuration, 3 no session bus or another daemon.",
                  .arguments = {},
                  .examples = kDaemonExamples},
      std::vector<ArgumentRow<DaemonOptions>>{}, std::span<const Conflict>{}, DaemonOptions{},
      [](DaemonOptions options) -> Result<Invocation> { return options; });
}

// ---- start

constexpr std::string_view kNegation = "--no-";
/// Of `record`, but not of a session: it has sinks, and says nothing on a terminal.
constexpr std::array<Text, 4> kNotOfSessions{"--output", "--tee", "--json", "--quiet"};

Setting& option_of(StartOptions& options, std::string name, SettingValue otherwise) {
  const auto found = std::ranges::find(options.settings, name, &Setting::name);
  if (found != options.settings.end()) return *found;
  return options.settings.emplace_back(std::move(name), std::move(otherwise), std::string());
}

/// An option with a value, as it was typed: the daemon knows what it means.
Result<void> keep_value(StartOptions& options, Text option, Text text) {
  option_of(options, std::string(option.substr(2)), std::string()).value = std::string(text);
  return {};
}
Result<void> keep_another(StartOptions& options, Text option, Text text) {
  Setting& setting = option_of(options, std::string(option.substr(2)), std::vector<std::string>());
  std::get<std::vector<std::string>>(setting.value).emplace_back(text);
  return {};
}
Result<void> keep_switch(StartOptions& options, Text option, Text /*text*/) {
  const bool off = option.starts_with(kNegation);
  option_of(options, std::string(option.substr(off ? kNegation.size() : 2)), false).value = !off;
  return {};
}
/// The daemon has another folder than who types this.
Result<std::string> absolute_sink(Text text) {
  if (is_url(text)) return std::string(text);
  std::error_code error;
  const auto here = std::filesystem::current_path(error);
  if (error) return fail(ErrorKind::Invalid, in_quotes(text), error.message());
  // What is typed may be a pattern, the folder is none.
  return (std::filesystem::path(literal_file_name(here.string())) / text).lexically_normal().string();
}
Result<void> keep_sink(StartOptions& options, Text /*option*/, Text text) {
  auto sink = absolute_sink(text);
  return sink ? keep_another(options, "--sinks", *sink) : std::unexpected(std::move(sink.error()));
}

Result<void> keep_start_layer(StartOptions& options, Text option, Text text) {
  auto layer = absolute_layer(option, text);
  return layer ? keep_another(options, option, *layer) : std::unexpected(std::move(layer.error()));
}

std::vector<ArgumentRow<StartOptions>> start_rows() {
  constexpr Text kSession = "Session";
  std::vector<ArgumentRow<StartOptions>> rows{
      {{.name = "--sink",
        .value = "FILE|URL|camera:NAME",
        .group = kSession,
        .help = "Where the session goes, as 'record' takes files and 'stream' URLs, or a virtual camera; may be given "
                "several times.",
        .fallback = "",
        .files = true,
        .repeatable = true,
        .alias = "-o"},
       keep_sink},
      {{.name = "--name",
        .value = "NAME",
        .group = kSession,
        .help = "What to call it. Without it, the template's name or session-1, session-2 and so on.",
        .fallback = ""},
       keep_value},
      {{.name = "--template",
        .value = "NAME",
        .group = kSession,
        .help = "Begin with the settings of [sessions.NAME] in the daemon's configuration; what is typed wins.",
        .fallback = ""},
       keep_value},
      {{.name = "--live",
        .value = "",
        .group = kSession,
        .help = "Low delay before completeness. Without it, that is so when every sink is a network peer.",
        .fallback = ""},
       keep_switch},
      {{.name = "--replay-seconds",
        .value = "N",
        .group = kSession,
        .help = "Keep the newest N seconds in memory, for 'zerocast session save-replay'.",
        .fallback = ""},
       keep_value},
      {{.name = "--no-reconnect",
        .value = "",
        .group = kSession,
        .help = "End when the source goes away, instead of waiting for it to come back.",
        .fallback = ""},
       keep_switch},
      {{.name = "--silence-seconds",
        .value = "N",
        .group = kSession,
        .help = "Ask a source that has said nothing for so long for a new stream, in case its own is stuck; one that "
                "must show a picture then and does not is opened anew. 0 never asks.",
        .fallback = "30"},
       keep_value},
      {{.name = "--no-wait",
        .value = "",
        .group = kSession,
        .help = "Return as soon as the daemon has taken the session, before the desktop has given its picture.",
        .fallback = ""},
       [](StartOptions& options, Text, Text) -> Result<void> {
         options.wait = false;
         return {};
       }},
      json_row<StartOptions>("Print one JSON object instead of text."),
  };
  static const std::vector<ArgumentRow<RecordWords>> kRecord = record_arguments(false);
  for (const ArgumentRow<RecordWords>& row : kRecord) {
    const Argument& argument = row.argument;
    if (argument.name == "--source") {
      rows.push_back({argument, [](StartOptions& options, Text option, Text text) {
                        return keep_value(options, option, absolute_source(text));
                      }});
      continue;
    }
    if (argument.positional() || std::ranges::find(kNotOfSessions, argument.name) != kNotOfSessions.end()) continue;
    auto* const keep = argument.flag() ? keep_switch : argument.repeatable ? keep_another : keep_value;
    rows.push_back({argument, argument.name == "--layer" ? keep_start_layer : keep});
  }
  return rows;
}

constexpr std::array kStartExamples{
    Example{"zerocast session start -o meeting.mkv --name meeting", "Record the desktop into a file, in the daemon."},
    Example{"zerocast session start -o show.mkv -o 'srt://:9000?mode=listener' --codec hevc",
            "Record, and serve viewers."},
    Example{"zerocast session start --template meeting", "Start a session of the configuration file."},
    Example{"zerocast session start --replay-seconds 60 --name games",
            "Keep the last minute, to be saved when it was worth it."},
};

std::unique_ptr<Command> start_command() {
  return std::make_unique<TableCommand<StartOptions>>(
      CommandInfo{.name = "session start",
                  .summary = "Start a session in the daemon",
                  .details =
                      "Takes the options of 'record', and returns when pictures come. The session goes on in the "
                      "daemon until 'zerocast session stop'; a source that goes away is waited for.",
                  .arguments = {},
                  .examples = kStartExamples},
      start_rows(), std::span<const Conflict>{}, StartOptions{},
      [](StartOptions options) -> Result<Invocation> { return options; });
}

// ---- list and status

std::unique_ptr<Command> status_command(bool list) {
  using Row = ArgumentRow<StatusOptions>;
  static constexpr std::array kListExamples{Example{"zerocast session list", "The daemon's sessions."}};
  static constexpr std::array kStatusExamples{
      Example{"zerocast session status --watch", "All sessions, once a second, until Ctrl-C."},
      Example{"zerocast session status meeting --json", "Every figure of one session."}};
  std::vector<Row> rows{json_row<StatusOptions>("Print one JSON object instead of text.")};
  if (!list) {
    rows.push_back({{.name = "NAME",
                     .value = "NAME",
                     .group = "Session",
                     .help = "Only this one, with every figure.",
                     .fallback = "",
                     .optional = true},
                    [](StatusOptions& options, Text, Text text) -> Result<void> {
                      options.name = text;
                      return {};
                    }});
    rows.push_back({{.name = "--watch",
                     .value = "",
                     .group = "Report",
                     .help = "Again every second, until Ctrl-C.",
                     .fallback = ""},
                    [](StatusOptions& options, Text, Text) -> Result<void> {
                      options.watch = true;
                      return {};
                    }});
  }
  return std::make_unique<TableCommand<StatusOptions>>(
      CommandInfo{
          .name = list ? "session list" : "session status",
          .summary = list ? "List the daemon's sessions" : "Show how the daemon's sessions do",
          .details = list ? "Name, state and sinks of each session, also of those that ended of late."
                          : "What each session captures, how, and its figures of late.",
          .arguments = {},
          .examples = list ? std::span<const Example>(kListExamples) : std::span<const Example>(kStatusExamples)},
      std::move(rows), std::span<const Conflict>{}, StatusOptions{.name = {}, .figures = !list},
      [](StatusOptions options) -> Result<Invocation> { return options; });
}

// ---- one session, one thing

using ActionRow = ArgumentRow<ActionOptions>;

ActionRow name_row() {
  return {{.name = "NAME",
           .value = "NAME",
           .group = "Session",
           .help = "The session, as 'zerocast session list' has it.",
           .fallback = ""},
          [](ActionOptions& options, Text, Text text) -> Result<void> {
            options.name = text;
            return {};
          }};
}

ActionRow value_row(Text name, Text help, bool files,
                    Result<void> (*set)(ActionOptions& options, Text option, Text text)) {
  return {{.name = name, .value = name, .group = "Session", .help = help, .fallback = "", .files = files}, set};
}

Result<void> keep_text(ActionOptions& options, Text /*option*/, Text text) {
  options.value = text;
  return {};
}
Result<void> keep_path(ActionOptions& options, Text /*option*/, Text text) {
  return store(absolute_sink(text), options.value);
}
/// One that there is: its number or its name.
Result<void> keep_sink_there(ActionOptions& options, Text option, Text text) {
  const bool number = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  return number ? keep_text(options, option, text) : keep_path(options, option, text);
}

Result<void> keep_layer(ActionOptions& options, Text option, Text text) {
  return store(absolute_layer(option, text), options.value);
}

/// A command that sends one order.
struct ActionInfo {
  SessionAction action;
  Text name;
  Text summary;
  Text details;
  Text value;  ///< its second argument; empty: none
  Text value_help;
  Result<void> (*keep)(ActionOptions& options, Text option, Text text);  ///< its second argument
  Example example;
};
constexpr std::array kActions{
    ActionInfo{SessionAction::Stop, "session stop", "End a session and complete its files",
               "Returns when every file is complete, and tells what was recorded. Exit code 6: a sink failed, or its "
               "peer was never there.",
               "", "", nullptr, Example{"zerocast session stop meeting", "End the session 'meeting'."}},
    ActionInfo{SessionAction::Pause, "session pause", "Record nothing for a while",
               "Stream time stands still: in the files the pause is a cut.", "", "", nullptr,
               Example{"zerocast session pause meeting", "Until 'zerocast session resume meeting'."}},
    ActionInfo{SessionAction::Resume, "session resume", "Go on after a pause", "The next picture is a keyframe.", "",
               "", nullptr, Example{"zerocast session resume meeting", "Go on recording."}},
    ActionInfo{SessionAction::Keyframe, "session keyframe", "Make the next picture a keyframe",
               "For a viewer that has just joined.", "", "", nullptr,
               Example{"zerocast session keyframe show", "Right now."}},
    ActionInfo{SessionAction::Bitrate, "session bitrate", "Change the bit rate of a running session",
               "In place where the encoder can, else it is opened anew without losing a picture.", "RATE",
               "In bit/s, such as 6M or 800k.", keep_text,
               Example{"zerocast session bitrate show 2500k", "Less, from now on."}},
    ActionInfo{SessionAction::Framerate, "session framerate", "Change the constant frame rate of a running session",
               "Of a session with --fps.", "FPS", "Such as 30 or 30000/1001.", keep_text,
               Example{"zerocast session framerate show 30", "30 pictures per second from now on."}},
    ActionInfo{SessionAction::AddSink, "session add-sink", "Send a running session somewhere else too",
               "From the next keyframe on, which is asked for.", "SINK", "A file, a URL or camera:NAME.", keep_path,
               Example{"zerocast session add-sink meeting 'srt://192.0.2.7:9000'", "Let somebody else watch."}},
    ActionInfo{SessionAction::RemoveSink, "session remove-sink", "Complete one sink of a running session",
               "The others go on.", "SINK", "Its number or name, as 'zerocast session status NAME' has them.",
               keep_sink_there, Example{"zerocast session remove-sink meeting 2", "Nobody watches any more."}},
    ActionInfo{SessionAction::AddLayer, "layer add", "Lay another picture above a session's",
               "Prints the layer's name. It has no sound: that is --audio's.", "LAYER",
               "As --layer of 'zerocast record'.", keep_layer,
               Example{"zerocast layer add meeting 'image:logo.png,at=tr,margin=20,opacity=60%'",
                       "A logo in the corner, from the next picture on."}},
    ActionInfo{SessionAction::RemoveLayer, "layer remove", "Take a layer away", "The others stay where they are.",
               "LAYER", "Its name, as 'zerocast layer list NAME' has it.", keep_text,
               Example{"zerocast layer remove meeting layer-1", "The picture is as it was."}},
    ActionInfo{SessionAction::ListLayers, "layer list", "List a session's layers", "The lowest first.", "", "", nullptr,
               Example{"zerocast layer list meeting", "What lies where."}},
    ActionInfo{SessionAction::SaveReplay, "session save-replay", "Save what a session has kept in memory",
               "Of a session with --replay-seconds. The session goes on.", "FILE", "Where to; it must not exist.",
               keep_path,
               Example{"zerocast session save-replay games best-moment.mkv",
                       "Write the newest seconds of 'games' into a file."}},
};

std::unique_ptr<Command> action_command(const ActionInfo& action) {
  std::vector<ActionRow> rows{name_row()};
  if (!action.value.empty()) {
    rows.push_back(value_row(action.value, action.value_help, action.keep == keep_path, action.keep));
  }
  rows.push_back(json_row<ActionOptions>("Print one JSON object instead of text."));
  return std::make_unique<TableCommand<ActionOptions>>(
      CommandInfo{.name = action.name,
                  .summary = action.summary,
                  .details = action.details,
                  .arguments = {},
                  .examples = std::span(&action.example, 1)},
      std::move(rows), std::span<const Conflict>{},
      ActionOptions{.action = action.action, .name = {}, .value = {}, .source = {}, .volume = {}, .muted = {}},
      [](ActionOptions options) -> Result<Invocation> { return options; });
}

Result<void> keep_change(ActionOptions& options, Text option, Text text) {
  if (text == "mute" || text == "unmute") {
    options.muted = text == "mute";
    return {};
  }
  const auto volume = volume_value(option, text);
  if (volume) {
    options.volume = *volume;
    return {};
  }
  return fail(ErrorKind::Invalid, std::string(option), volume.error().detail + ", nor mute or unmute");
}

std::unique_ptr<Command> audio_command() {
  static constexpr std::array kExamples{
      Example{"zerocast session audio meeting mic mute", "Nobody hears what is said in this room."},
      Example{"zerocast session audio games desktop -- -6dB", "Half as loud, from now on."}};
  std::vector<ActionRow> rows{name_row()};
  rows.push_back(value_row("SOURCE", "Of its sources, as --audio named it.", false,
                           [](ActionOptions& options, Text, Text text) -> Result<void> {
                             options.source = text;
                             return {};
                           }));
  rows.push_back(
      value_row("VOLUME", "mute, unmute, or a volume such as -6dB; 0dB is as it comes.", false, keep_change));
  rows.push_back(json_row<ActionOptions>("Print one JSON object instead of text."));
  return std::make_unique<TableCommand<ActionOptions>>(
      CommandInfo{.name = "session audio",
                  .summary = "Change the volume of a source of sound, or mute it",
                  .details = "'zerocast session status NAME' lists a session's sources. A volume that begins with '-' "
                             "stands behind '--'.",
                  .arguments = {},
                  .examples = kExamples},
      std::move(rows), std::span<const Conflict>{},
      ActionOptions{.action = SessionAction::Audio, .name = {}, .value = {}, .source = {}, .volume = {}, .muted = {}},
      [](ActionOptions options) -> Result<Invocation> { return options; });
}

std::unique_ptr<Command> layer_set_command() {
  static constexpr std::array kExamples{
      Example{"zerocast layer set meeting me at=bl,size=20%", "In the other corner, and smaller."}};
  std::vector<ActionRow> rows{name_row()};
  rows.push_back(value_row("LAYER", "Its name, as 'zerocast layer list NAME' has it.", false,
                           [](ActionOptions& options, Text, Text text) -> Result<void> {
                             options.source = text;
                             return {};
                           }));
  rows.push_back(value_row("CHANGES", "at, size, margin, opacity, radius, crop and order, as --layer has them.", false,
                           [](ActionOptions& options, Text option, Text text) -> Result<void> {
                             LayerOptions scratch;
                             if (auto good = change_layer(option, text, scratch); !good) return good;
                             return keep_text(options, option, text);
                           }));
  rows.push_back(json_row<ActionOptions>("Print one JSON object instead of text."));
  return std::make_unique<TableCommand<ActionOptions>>(
      CommandInfo{.name = "layer set",
                  .summary = "Move a layer, or change how it looks",
                  .details = "What is not named stays as it is. 'crop=none' shows all of its picture again.",
                  .arguments = {},
                  .examples = kExamples},
      std::move(rows), std::span<const Conflict>{},
      ActionOptions{
          .action = SessionAction::SetLayer, .name = {}, .value = {}, .source = {}, .volume = {}, .muted = {}},
      [](ActionOptions options) -> Result<Invocation> { return options; });
}

std::unique_ptr<Command> reload_command() {
  static constexpr std::array kExamples{Example{"zerocast reload", "After the configuration file was changed."}};
  return std::make_unique<TableCommand<ActionOptions>>(
      CommandInfo{.name = "reload",
                  .summary = "Let the daemon read its configuration anew",
                  .details = "It does so by itself when the file changes. A wrong file is refused whole, and the old "
                             "settings stay.",
                  .arguments = {},
                  .examples = kExamples},
      std::vector{json_row<ActionOptions>("Print one JSON object instead of text.")}, std::span<const Conflict>{},
      ActionOptions{.action = SessionAction::Reload, .name = {}, .value = {}, .source = {}, .volume = {}, .muted = {}},
      [](ActionOptions options) -> Result<Invocation> { return options; });
}

}  // namespace

std::vector<std::unique_ptr<Command>> make_daemon_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(daemon_command());
  commands.push_back(start_command());
  commands.push_back(status_command(true));
  commands.push_back(status_command(false));
  for (const ActionInfo& action : kActions) commands.push_back(action_command(action));
  commands.push_back(audio_command());
  commands.push_back(layer_set_command());
  commands.push_back(reload_command());
  return commands;
}

}  // namespace zc
