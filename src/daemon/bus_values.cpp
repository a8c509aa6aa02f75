#include "daemon/bus_values.h"

#include "base/quote.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <limits>
#include <optional>
#include <utility>

namespace zc::daemon {
namespace {

std::int64_t as_signed(std::uint64_t count) {
  return static_cast<std::int64_t>(
      std::min(count, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
}

std::optional<SettingValue> value_from(const nlohmann::json& json) {
  if (json.is_null()) return std::nullopt;
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  const bool texts = json.is_array() && std::ranges::all_of(json, [](const auto& one) { return one.is_string(); });
  if (texts) return json.get<std::vector<std::string>>();
  return json.dump();
}

}  // namespace

int append_statistics(sd_bus_message* message, const Statistics& statistics) {
  std::vector<Setting> values;
  for (const StatisticRow& row : statistic_rows()) {
    const SettingValue value =
        row.count != nullptr ? SettingValue(as_signed(statistics.*(row.count))) : SettingValue(statistics.*(row.real));
    values.push_back({.name = std::string(row.name), .value = value, .where = {}});
  }
  if (statistics.gpu_encoder_load) {
    values.push_back({.name = "gpu_encoder_load", .value = *statistics.gpu_encoder_load, .where = {}});
  }
  return bus::append_settings(message, values);
}

int append_sinks(sd_bus_message* message, const Statistics& statistics) {
  if (const int r = sd_bus_message_open_container(message, 'a', "a{sv}"); r < 0) return r;
  for (const SinkStatistics& sink : statistics.sinks) {
    const std::vector<Setting> values{{"name", sink.name, {}},
                                      {"state", sink.state, {}},
                                      {"packets", as_signed(sink.packets), {}},
                                      {"bytes", as_signed(sink.bytes), {}},
                                      {"dropped", as_signed(sink.dropped), {}},
                                      {"queued", as_signed(sink.queued), {}},
                                      {"reconnects", as_signed(sink.reconnects), {}},
                                      {"error", sink.error, {}},
                                      {"id", as_signed(sink.id), {}},
                                      {"viewers", as_signed(sink.viewers), {}},
                                      {"watch", sink.watch, {}}};
    if (const int r = bus::append_settings(message, values); r < 0) return r;
  }
  return sd_bus_message_close_container(message);
}

int append_layers(sd_bus_message* message, const FactsEvent& facts) {
  if (const int r = sd_bus_message_open_container(message, 'a', "a{sv}"); r < 0) return r;
  for (const LayerFacts& layer : facts.layers) {
    const std::vector<Setting> values{{"name", layer.name, {}},
                                      {"layer", layer.layer, {}},
                                      {"x", std::int64_t{layer.x}, {}},
                                      {"y", std::int64_t{layer.y}, {}},
                                      {"width", std::int64_t{layer.width}, {}},
                                      {"height", std::int64_t{layer.height}, {}},
                                      {"shown", layer.shown, {}},
                                      {"error", layer.error, {}}};
    if (const int r = bus::append_settings(message, values); r < 0) return r;
  }
  return sd_bus_message_close_container(message);
}

int append_audio_sources(sd_bus_message* message, const Statistics& statistics) {
  if (const int r = sd_bus_message_open_container(message, 'a', "a{sv}"); r < 0) return r;
  for (const AudioSourceStatistics& source : statistics.audio_sources) {
    const std::vector<Setting> values{{"track", as_signed(source.track), {}},
                                      {"name", source.name, {}},
                                      {"volume", source.volume, {}},
                                      {"muted", source.muted, {}},
                                      {"heard", source.heard, {}}};
    if (const int r = bus::append_settings(message, values); r < 0) return r;
  }
  return sd_bus_message_close_container(message);
}

int append_audio_tracks(sd_bus_message* message, const Statistics& statistics) {
  if (const int r = sd_bus_message_open_container(message, 'a', "a{sv}"); r < 0) return r;
  for (const AudioTrackStatistics& track : statistics.audio_tracks) {
    const std::vector<Setting> values{{"track", as_signed(track.track), {}},
                                      {"codec", track.codec, {}},
                                      {"peak", track.peak, {}},
                                      {"rms", track.rms, {}},
                                      {"clock_ppm", track.clock_ppm, {}},
                                      {"gaps", as_signed(track.gaps), {}},
                                      {"silence_seconds", track.silence_seconds, {}},
                                      {"late_samples", as_signed(track.late_samples), {}},
                                      {"lost_blocks", as_signed(track.lost_blocks), {}}};
    if (const int r = bus::append_settings(message, values); r < 0) return r;
  }
  return sd_bus_message_close_container(message);
}

int append_objects(sd_bus_message* message, std::string_view json, const std::string& member) {
  const nlohmann::json root = nlohmann::json::parse(json, nullptr, false);
  if (!root.is_object() || !root.contains(member) || !root[member].is_array()) return -EBADMSG;
  if (const int r = sd_bus_message_open_container(message, 'a', "a{sv}"); r < 0) return r;
  for (const nlohmann::json& object : root[member]) {
    std::vector<Setting> values;
    for (const auto& [name, field] : object.items()) {
      if (auto value = value_from(field)) values.push_back({.name = name, .value = *std::move(value), .where = {}});
    }
    if (const int r = bus::append_settings(message, values); r < 0) return r;
  }
  return sd_bus_message_close_container(message);
}

int reply_error(sd_bus_message* call, const Error& error) {
  return sd_bus_reply_method_errorf(call, bus::error_name(error.kind), "%s", bus::good_text(error.message()).c_str());
}

}  // namespace zc::daemon
