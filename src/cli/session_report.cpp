#include "cli/session_report.h"

#include "cli/status_line.h"
#include "cli/text_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

namespace zc {
namespace {

double number(const SessionView& session, std::string_view name) {
  const auto found = std::ranges::find(session.statistics, name, &Setting::name);
  if (found == session.statistics.end()) return 0;
  if (const auto* real = std::get_if<double>(&found->value)) return *real;
  const auto* whole = std::get_if<std::int64_t>(&found->value);
  return whole == nullptr ? 0 : static_cast<double>(*whole);
}

std::string size_text(const SessionView& session) {
  return session.width == 0 ? std::string("-") : fmt::format("{}x{}", session.width, session.height);
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::vector<std::string> figures_of(const SessionView& session) {
  const double dropped = number(session, "frames_dropped_slow") + number(session, "frames_dropped_ring");
  const double time = number(session, "stream_seconds");
  return {session.name,
          session.state,
          clock_text(Nanoseconds(static_cast<std::int64_t>(time * 1e9))),
          fmt::format("{:.1f}", number(session, "encoder_frames_per_second")),
          bit_rate_text(8 * number(session, "encoder_bytes_per_second")),
          fmt::format("{:.0f}", dropped),
          fmt::format("{:.1f} ms", number(session, "latency_median_seconds") * 1000),
          size_text(session),
          or_dash(session.encoder),
          or_dash(session.route)};
}

template <class Value>
Value sink_value(const std::vector<Setting>& sink, std::string_view name) {
  const auto found = std::ranges::find(sink, name, &Setting::name);
  const Value* value = found == sink.end() ? nullptr : std::get_if<Value>(&found->value);
  return value == nullptr ? Value{} : *value;
}

/// What a person should know about a sink; empty: it takes what it is given.
std::string sink_state(const std::vector<Setting>& sink) {
  const auto state = sink_value<std::string>(sink, "state");
  const auto error = sink_value<std::string>(sink, "error");
  const std::string why = error.empty() ? std::string() : ": " + error;
  if (state == "failed") return "has failed" + why;
  const bool away = state == "opening" || state == "backing off";
  if (away && !error.empty()) return "is not connected" + why;
  if (sink_value<std::string>(sink, "watch").empty()) return away ? "is not connected" : "";
  if (away) return "waits for viewers";
  const auto viewers = sink_value<std::int64_t>(sink, "viewers");
  return state == "running" ? fmt::format("has {} viewer{}", viewers, viewers == 1 ? "" : "s") : "";
}

/// A line for each sink that there is something to say about.
std::string sink_notes(const SessionView& session) {
  std::string text;
  for (const auto& sink : session.sink_statistics) {
    const std::string state = sink_state(sink);
    if (state.empty()) continue;
    const auto watch = sink_value<std::string>(sink, "watch");
    text += fmt::format("{}: {} {}{}{}\n", session.name, sink_value<std::string>(sink, "name"), state,
                        watch.empty() ? "" : "; watch: ", watch);
  }
  return text;
}

/// "480x270+1440+810", or why there is nothing to be seen.
std::string layer_state(const std::vector<Setting>& layer) {
  const auto error = sink_value<std::string>(layer, "error");
  if (!error.empty()) return "is waited for: " + error;
  if (!sink_value<bool>(layer, "shown")) return "has no picture yet";
  const auto number = [&](std::string_view name) { return sink_value<std::int64_t>(layer, name); };
  return fmt::format("{}x{}{:+}{:+}", number("width"), number("height"), number("x"), number("y"));
}

nlohmann::ordered_json values_json(const std::vector<Setting>& values) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Setting& one : values) {
    std::visit([&](const auto& value) { json[one.name] = value; }, one.value);
  }
  return json;
}

nlohmann::ordered_json view_json(const SessionView& session) {
  nlohmann::ordered_json json{{"name", session.name},     {"state", session.state}, {"error", session.error},
                              {"source", session.source}, {"route", session.route}, {"encoder", session.encoder},
                              {"codec", session.codec},   {"width", session.width}, {"height", session.height},
                              {"sinks", session.sinks}};
  json["statistics"] = values_json(session.statistics);
  json["sink_statistics"] = nlohmann::ordered_json::array();
  for (const auto& sink : session.sink_statistics) json["sink_statistics"].push_back(values_json(sink));
  for (const auto& layer : session.layers) json["layers"].push_back(values_json(layer));
  for (const auto& source : session.audio_sources) json["audio_sources"].push_back(values_json(source));
  for (const auto& track : session.audio_tracks) json["audio_tracks"].push_back(values_json(track));
  return json;
}

std::string dump(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string sessions_text(std::span<const SessionView> sessions, bool figures) {
  if (sessions.empty()) return "no session\n";
  std::vector<std::vector<std::string>> rows;
  for (const SessionView& session : sessions) {
    if (figures) {
      rows.push_back(figures_of(session));
    } else {
      rows.push_back({session.name, session.state,
                      session.error.empty() ? fmt::format("{}", fmt::join(session.sinks, ", ")) : session.error});
    }
  }
  constexpr std::array<std::string_view, 10> kFigures{"NAME",    "STATE", "TIME",    "FPS",  "RATE",
                                                      "DROPPED", "DELAY", "PICTURE", "WITH", "ROUTE"};
  constexpr std::array<std::string_view, 3> kPlaces{"NAME", "STATE", "SINKS"};
  if (!figures) return text_table(kPlaces, rows);
  std::string text = text_table(kFigures, rows);
  for (const SessionView& session : sessions) text += sink_notes(session);
  return text;
}

std::string session_text(const SessionView& session) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<24}{}\n", name, value);
  };
  line("name", session.name);
  line("state", session.state);
  line("error", session.error);
  line("source", session.source);
  line("route", session.route);
  line("encoder", session.encoder);
  line("picture", session.width == 0 ? "" : size_text(session));
  for (const std::string& sink : session.sinks) {
    const auto figures = std::ranges::find(session.sink_statistics, sink, [](const std::vector<Setting>& one) {
      return sink_value<std::string>(one, "name");
    });
    const bool known = figures != session.sink_statistics.end();
    const std::string state = known ? sink_state(*figures) : std::string();
    line(known ? fmt::format("sink {}", sink_value<std::int64_t>(*figures, "id")) : "sink",
         state.empty() ? sink : fmt::format("{} {}", sink, state));
    if (known) line("watch", sink_value<std::string>(*figures, "watch"));
  }
  for (const auto& layer : session.layers) {
    line("layer", fmt::format("{}: {} {}", sink_value<std::string>(layer, "name"),
                              sink_value<std::string>(layer, "layer"), layer_state(layer)));
  }
  for (const auto& source : session.audio_sources) {
    const auto volume = sink_value<double>(source, "volume");
    std::string now = sink_value<bool>(source, "muted") ? " muted"
                      : volume == 0                     ? ""
                                                        : fmt::format(" at {:.0f} dB", volume);
    if (!sink_value<bool>(source, "heard")) now += " is waited for";
    line("sound", fmt::format("{}{} in track {}", sink_value<std::string>(source, "name"), now,
                              sink_value<std::int64_t>(source, "track")));
  }
  for (const auto& track : session.audio_tracks) {
    line(fmt::format("track {}", sink_value<std::int64_t>(track, "track")),
         fmt::format("{}, peak {:.0f} dB", sink_value<std::string>(track, "codec"), sink_value<double>(track, "peak")));
  }
  for (const Setting& one : session.statistics) line(one.name, setting_text(one.value));
  return text;
}

std::string layers_text(const SessionView& session) {
  if (session.layers.empty()) return "no layer\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& layer : session.layers) {
    rows.push_back(
        {sink_value<std::string>(layer, "name"), layer_state(layer), sink_value<std::string>(layer, "layer")});
  }
  constexpr std::array<std::string_view, 3> kHeadings{"NAME", "PLACE", "LAYER"};
  return text_table(kHeadings, rows);
}

std::string layers_json(const SessionView& session) {
  nlohmann::ordered_json json;
  json["layers"] = nlohmann::ordered_json::array();
  for (const auto& layer : session.layers) json["layers"].push_back(values_json(layer));
  return dump(json) + "\n";
}

std::string watch_text(const SessionView& session) {
  std::string text;
  for (const auto& sink : session.sink_statistics) {
    const auto watch = sink_value<std::string>(sink, "watch");
    if (!watch.empty()) text += fmt::format("watch: {}\n", watch);
  }
  return text;
}

std::string stopped_text(std::string_view report) {
  const auto json = nlohmann::json::parse(report, nullptr, false);
  if (!json.is_object() || !json.contains("outputs")) return {};
  std::string text;
  for (const auto& output : json["outputs"]) {
    const std::string error = output.value("error", "");
    const auto frames = output.value("packets", std::uint64_t{0});
    text +=
        output.value("name", "") + ": " + (frames == 0 ? std::string("no packets") : fmt::format("{} packets", frames));
    if (!error.empty()) text += (frames == 0 ? ": " : ", then ") + error;
    text += '\n';
    for (const auto& file : output.value("further_files", std::vector<std::string>())) text += file + "\n";
  }
  return text;
}

ExitCode stopped_exit(std::string_view report) {
  const auto json = nlohmann::json::parse(report, nullptr, false);
  if (!json.is_object() || !json.contains("outputs")) return ExitCode::Ok;
  const bool failed = std::ranges::any_of(json["outputs"], [](const auto& output) { return output.contains("error"); });
  return failed ? ExitCode::Output : ExitCode::Ok;
}

std::string sessions_json(std::span<const SessionView> sessions) {
  nlohmann::ordered_json json;
  json["sessions"] = nlohmann::ordered_json::array();
  for (const SessionView& session : sessions) json["sessions"].push_back(view_json(session));
  return dump(json) + "\n";
}

std::string session_json(const SessionView& session) { return dump(view_json(session)) + "\n"; }

}  // namespace zc
