#include "ipc/message.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <stdexcept>
#include <utility>

namespace zc {

using Json = nlohmann::json;

// NOLINTBEGIN(readability-identifier-naming): names that nlohmann-json looks for.
NLOHMANN_JSON_SERIALIZE_ENUM(RequestKind, {{RequestKind::Start, "start"},
                                           {RequestKind::Stop, "stop"},
                                           {RequestKind::Pause, "pause"},
                                           {RequestKind::Resume, "resume"},
                                           {RequestKind::Keyframe, "keyframe"},
                                           {RequestKind::Bitrate, "bitrate"},
                                           {RequestKind::Framerate, "framerate"},
                                           {RequestKind::LeastRate, "least-rate"},
                                           {RequestKind::ReplayLength, "replay-length"},
                                           {RequestKind::AddSink, "add-sink"},
                                           {RequestKind::RemoveSink, "remove-sink"},
                                           {RequestKind::AddLayer, "add-layer"},
                                           {RequestKind::ChangeLayer, "change-layer"},
                                           {RequestKind::RemoveLayer, "remove-layer"},
                                           {RequestKind::Audio, "audio"},
                                           {RequestKind::SaveReplay, "save-replay"},
                                           {RequestKind::Snapshot, "snapshot"},
                                           {RequestKind::Sleep, "sleep"},
                                           {RequestKind::Wake, "wake"}})
NLOHMANN_JSON_SERIALIZE_ENUM(SessionState, {{SessionState::Starting, "starting"},
                                            {SessionState::Recording, "recording"},
                                            {SessionState::Paused, "paused"},
                                            {SessionState::Reconnecting, "reconnecting"},
                                            {SessionState::Stopping, "stopping"},
                                            {SessionState::Ended, "ended"},
                                            {SessionState::Failed, "failed"}})
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LayerFacts, name, layer, x, y, width, height, shown, error)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FactsEvent, source, route, encoder, codec, width, height, sound, layers)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LayerEvent, layer, error)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ChangeEvent, what, before, now, reason)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SinkEvent, sink, error, fatal)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StallEvent, stalled, seconds)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AudioSourceStatistics, track, name, volume, muted, heard)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AudioTrackStatistics, track, codec, peak, rms, clock_ppm, gaps, silence_seconds,
                                   late_samples, lost_blocks)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SinkStatistics, id, name, state, packets, bytes, dropped, queued, reconnects, error,
                                   viewers, watch)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StageTimes, stage, count, sum_seconds, within)
// NOLINTEND(readability-identifier-naming)

static void to_json(Json& json, const Error& error) {
  json = {{"kind", static_cast<unsigned>(error.kind)},
          {"domain", static_cast<unsigned>(error.domain)},
          {"code", error.code},
          {"operation", error.operation},
          {"detail", error.detail}};
}
static void from_json(const Json& json, Error& error) {
  error.kind =
      static_cast<ErrorKind>(std::min(json.at("kind").get<unsigned>(), static_cast<unsigned>(ErrorKind::Internal)));
  error.domain =
      static_cast<ErrorDomain>(std::min(json.at("domain").get<unsigned>(), static_cast<unsigned>(ErrorDomain::Gpu)));
  json.at("code").get_to(error.code);
  json.at("operation").get_to(error.operation);
  json.at("detail").get_to(error.detail);
}

namespace {

void put(Json& json, const char* name, const std::optional<Error>& error) {
  if (error) json[name] = *error;
}
std::optional<Error> find_error(const Json& json) {
  const auto found = json.find("error");
  return found == json.end() ? std::nullopt : std::optional(found->get<Error>());
}

Json value_json(const SettingValue& value) {
  return std::visit([](const auto& one) { return Json(one); }, value);
}
/// Throws for what no setting can be.
SettingValue value_from(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  return json.get<std::vector<std::string>>();
}

Json settings_json(const std::vector<Setting>& settings) {
  Json json = Json::array();
  for (const Setting& one : settings) {
    json.push_back({{"name", one.name}, {"value", value_json(one.value)}, {"where", one.where}});
  }
  return json;
}
std::vector<Setting> settings_from(const Json& json) {
  std::vector<Setting> settings;
  for (const Json& one : json) {
    settings.push_back({.name = one.at("name").get<std::string>(),
                        .value = value_from(one.at("value")),
                        .where = one.at("where").get<std::string>()});
  }
  return settings;
}

Json statistics_json(const Statistics& statistics) {
  Json json;
  for (const StatisticRow& row : statistic_rows()) {
    Json& place = json[std::string(row.name)];
    if (row.count != nullptr) place = statistics.*(row.count);
    if (row.real != nullptr) place = statistics.*(row.real);
  }
  if (statistics.gpu_encoder_load) json["gpu_encoder_load"] = *statistics.gpu_encoder_load;
  json["sinks"] = statistics.sinks;
  json["audio_sources"] = statistics.audio_sources;
  json["audio_tracks"] = statistics.audio_tracks;
  json["stages"] = statistics.stages;
  return json;
}
Statistics statistics_from(const Json& json) {
  Statistics statistics;
  for (const StatisticRow& row : statistic_rows()) {
    const Json& place = json.at(std::string(row.name));
    if (row.count != nullptr) place.get_to(statistics.*(row.count));
    if (row.real != nullptr) place.get_to(statistics.*(row.real));
  }
  if (const auto load = json.find("gpu_encoder_load"); load != json.end()) {
    statistics.gpu_encoder_load = load->get<double>();
  }
  json.at("sinks").get_to(statistics.sinks);
  json.at("audio_sources").get_to(statistics.audio_sources);
  json.at("audio_tracks").get_to(statistics.audio_tracks);
  json.at("stages").get_to(statistics.stages);
  return statistics;
}

/// nlohmann-json takes an unknown word for the first of its table.
template <class Enum>
Enum known(const Json& json) {
  const auto value = json.get<Enum>();
  if (Json(value) != json) throw std::invalid_argument("unknown word");
  return value;
}

/// One kind of event: the key it stands under.
struct EventRow {
  const char* key;
  Event (*parse)(const Json& json);
};
constexpr std::array kEvents{
    EventRow{"reply",
             [](const Json& json) -> Event {
               return Reply{.id = json.at("id").get<std::uint64_t>(),
                            .error = find_error(json),
                            .text = json.at("text").get<std::string>()};
             }},
    EventRow{"state",
             [](const Json& json) -> Event {
               return StateEvent{.state = known<SessionState>(json.at("state")),
                                 .reason = json.at("reason").get<std::string>(),
                                 .asks_user = json.at("asks_user").get<bool>()};
             }},
    EventRow{"facts", [](const Json& json) -> Event { return json.get<FactsEvent>(); }},
    EventRow{"change", [](const Json& json) -> Event { return json.get<ChangeEvent>(); }},
    EventRow{"sink", [](const Json& json) -> Event { return json.get<SinkEvent>(); }},
    EventRow{"layer", [](const Json& json) -> Event { return json.get<LayerEvent>(); }},
    EventRow{"stall", [](const Json& json) -> Event { return json.get<StallEvent>(); }},
    EventRow{"statistics", [](const Json& json) -> Event { return statistics_from(json); }},
    EventRow{"end",
             [](const Json& json) -> Event {
               return EndEvent{.end = json.at("end").get<std::string>(),
                               .error = find_error(json),
                               .report = json.at("report").get<std::string>()};
             }},
};
static_assert(kEvents.size() == std::variant_size_v<Event>);

struct EventWriter {
  Json operator()(const Reply& answer) const {
    Json json{{"id", answer.id}, {"text", answer.text}};
    put(json, "error", answer.error);
    return json;
  }
  Json operator()(const Statistics& statistics) const { return statistics_json(statistics); }
  Json operator()(const EndEvent& end) const {
    Json json{{"end", end.end}, {"report", end.report}};
    put(json, "error", end.error);
    return json;
  }
  Json operator()(const StateEvent& event) const {
    return {{"state", event.state}, {"reason", event.reason}, {"asks_user", event.asks_user}};
  }
  template <class T>
  Json operator()(const T& event) const {
    return event;
  }
};

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string_view to_string(SessionState state) {
  constexpr std::array<std::string_view, 7> kNames{"starting", "recording", "paused", "reconnecting",
                                                   "stopping", "ended",     "failed"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string to_text(const Request& request) {
  Json json{{"request", request.kind}, {"id", request.id}, {"arguments", settings_json(request.arguments)}};
  if (request.start) {
    json["start"] = {{"version", request.start->version},
                     {"restarts", request.start->restarts},
                     {"record", settings_json(request.start->defaults.record)},
                     {"stream", settings_json(request.start->defaults.stream)}};
  }
  return dump(json);
}

std::string to_text(const Event& event) {
  return dump(Json{{kEvents.at(event.index()).key, std::visit(EventWriter{}, event)}});
}

Result<Request> parse_request(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Request request{.kind = known<RequestKind>(json.at("request")),
                    .id = json.at("id").get<std::uint64_t>(),
                    .arguments = settings_from(json.at("arguments"))};
    if (const auto start = json.find("start"); start != json.end()) {
      request.start = {
          .version = start->at("version").get<std::string>(),
          .restarts = start->at("restarts").get<std::uint64_t>(),
          .defaults = {.record = settings_from(start->at("record")), .stream = settings_from(start->at("stream"))}};
    }
    return request;
  } catch (const std::exception& error) {
    return fail(ErrorKind::Invalid, "read a request", error.what());
  }
}

Result<Event> parse_event(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    for (const EventRow& row : kEvents) {
      if (const auto found = json.find(row.key); found != json.end()) return row.parse(*found);
    }
    return fail(ErrorKind::Invalid, "read a session's message", "it is of no known kind");
  } catch (const std::exception& error) {
    return fail(ErrorKind::Invalid, "read a session's message", error.what());
  }
}

}  // namespace zc
