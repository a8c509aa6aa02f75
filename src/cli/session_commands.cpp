#include "cli/session_commands.h"

#include "base/clock.h"
#include "cli/exit_codes.h"
#include "cli/report.h"
#include "cli/session_report.h"
#include "ipc/daemon_client.h"

#include <fmt/format.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr std::chrono::milliseconds kPoll{100};
constexpr std::chrono::seconds kWatch{1};

int refuse(const Error& error) { return to_int(report_error(error, Stage::Daemon)); }

/// Home and clear to the end: what a terminal shows is written over.
constexpr std::string_view kAnew = "\x1b[H\x1b[J";

struct SimpleRow {
  SessionAction action;
  const char* method;
};
constexpr std::array kSimple{SimpleRow{SessionAction::Pause, "Pause"}, SimpleRow{SessionAction::Resume, "Resume"},
                             SimpleRow{SessionAction::Keyframe, "RequestKeyframe"}};

/// What to print when it worked; for Stop the report.
Result<std::string> carry_out(DaemonClient& daemon, const ActionOptions& options) {
  const auto empty = [](const Result<void>& result) {
    return result ? Result<std::string>(std::string()) : Result<std::string>(std::unexpected(result.error()));
  };
  switch (options.action) {
    case SessionAction::Stop: return daemon.stop(options.name);
    case SessionAction::Bitrate: return empty(daemon.reconfigure(options.name, {{"bitrate", options.value, {}}}));
    case SessionAction::Framerate: return empty(daemon.reconfigure(options.name, {{"fps", options.value, {}}}));
    case SessionAction::AddSink: return daemon.call(options.name, "AddSink", options.value);
    case SessionAction::RemoveSink: return daemon.call(options.name, "RemoveSink", options.value);
    case SessionAction::Audio:
      return empty(options.muted ? daemon.set_muted(options.name, options.source, *options.muted)
                                 : daemon.set_volume(options.name, options.source, *options.volume));
    case SessionAction::AddLayer: return daemon.call(options.name, "AddLayer", options.value);
    case SessionAction::SetLayer: return empty(daemon.set_layer(options.name, options.source, options.value));
    case SessionAction::RemoveLayer: return daemon.call(options.name, "RemoveLayer", options.value);
    case SessionAction::SaveReplay: return daemon.call(options.name, "SaveReplay", options.value);
    case SessionAction::Reload: return empty(daemon.reload());
    default: break;
  }
  const auto* const row = std::ranges::find(kSimple, options.action, &SimpleRow::action);
  return empty(daemon.call(options.name, row->method));
}

}  // namespace

int run_start(const StartOptions& options) {
  const auto daemon = DaemonClient::connect();
  if (!daemon) return refuse(daemon.error());
  const auto name = (*daemon)->start(options.settings);
  if (!name) return refuse(name.error());
  auto session = (*daemon)->session(*name);
  // The figures of its sinks come right after the news that it records.
  const auto is_known = [](const SessionView& one) {
    return one.state != "starting" && (one.state != "recording" || !one.sink_statistics.empty() || one.sinks.empty());
  };
  while (options.wait && session && !is_known(*session)) {
    std::this_thread::sleep_for(kPoll);
    session = (*daemon)->session(*name);
  }
  if (!session) return refuse(session.error());
  if (session->state == "failed") {
    return refuse({.kind = ErrorKind::Lost, .operation = "session " + *name, .detail = session->error});
  }
  if (!options.json) say(watch_text(*session));
  return to_int(print_out(options.json ? session_json(*session) : *name + "\n"));
}

int run_status(const StatusOptions& options) {
  const auto daemon = DaemonClient::connect();
  if (!daemon) return refuse(daemon.error());
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  while (true) {
    std::string text;
    if (options.name.empty()) {
      const auto sessions = (*daemon)->sessions();
      if (!sessions) return refuse(sessions.error());
      text = options.json ? sessions_json(*sessions) : sessions_text(*sessions, options.figures);
    } else {
      const auto session = (*daemon)->session(options.name);
      if (!session) return refuse(session.error());
      text = options.json ? session_json(*session) : session_text(*session);
    }
    if (options.watch && terminal && !options.json) text.insert(0, kAnew);
    if (const ExitCode printed = print_out(text); printed != ExitCode::Ok || !options.watch) return to_int(printed);
    std::this_thread::sleep_for(kWatch);
  }
}

int run_action(const ActionOptions& options) {
  const auto daemon = DaemonClient::connect();
  if (!daemon) return refuse(daemon.error());
  if (options.action == SessionAction::ListLayers) {
    const auto session = (*daemon)->session(options.name);
    if (!session) return refuse(session.error());
    return to_int(print_out(options.json ? layers_json(*session) : layers_text(*session)));
  }
  const auto answer = carry_out(**daemon, options);
  if (!answer) return refuse(answer.error());
  if (options.action == SessionAction::Stop) {
    const std::string report = answer->empty() ? "{}" : *answer;
    const ExitCode printed = print_out(options.json ? report + "\n" : stopped_text(report));
    return to_int(printed == ExitCode::Ok ? stopped_exit(report) : printed);
  }
  if (options.json) return to_int(print_out(nlohmann::json{{"ok", true}, {"answer", *answer}}.dump() + "\n"));
  return to_int(answer->empty() ? ExitCode::Ok : print_out(*answer + "\n"));
}

}  // namespace zc
