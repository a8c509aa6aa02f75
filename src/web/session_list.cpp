#include "web/session_list.h"

#include "base/clock.h"
#include "config/names.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace zc::web {
namespace {

using nlohmann::json;

/// A number of a session's statistics, whatever its type; 0 if it has none of that name.
double number(const std::vector<Setting>& statistics, std::string_view name) {
  const auto found = std::ranges::find(statistics, name, &Setting::name);
  if (found == statistics.end()) return 0;
  if (const auto* whole = std::get_if<std::int64_t>(&found->value)) return static_cast<double>(*whole);
  const auto* real = std::get_if<double>(&found->value);
  return real == nullptr ? 0 : *real;
}

struct OrderRow {
  std::string_view name;
  OrderKind kind;
};
constexpr std::array kOrders{OrderRow{"start", OrderKind::Start},
                             OrderRow{"stop", OrderKind::Stop},
                             OrderRow{"pause", OrderKind::Pause},
                             OrderRow{"resume", OrderKind::Resume},
                             OrderRow{"save-replay", OrderKind::SaveReplay},
                             OrderRow{"change", OrderKind::Change}};

std::optional<SettingValue> setting_value(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number_float()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return std::nullopt;
  std::vector<std::string> texts;
  for (const json& one : value) {
    if (!one.is_string()) return std::nullopt;
    texts.push_back(one.get<std::string>());
  }
  return texts;
}

std::string text_of(const json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<std::string> empty(const Result<void>& result) {
  return result ? Result<std::string>(std::string()) : std::unexpected(result.error());
}

}  // namespace

bool is_over(const SessionView& session) { return session.state == "ended" || session.state == "failed"; }

std::string session_list(const std::vector<SessionView>& sessions,
                         const std::function<Audience(const std::string& session)>& audience) {
  json list = json::array();
  for (const SessionView& one : sessions) {
    const Audience seen_by = audience(one.name);
    const auto count = [&](std::string_view name) { return number(one.statistics, name); };
    list.push_back({{"name", one.name},
                    {"state", one.state},
                    {"error", one.error},
                    {"source", one.source},
                    {"route", one.route},
                    {"encoder", one.encoder},
                    {"codec", one.codec},
                    {"width", one.width},
                    {"height", one.height},
                    {"fps", count("encoder_frames_per_second")},
                    {"bits_per_second", 8 * count("encoder_bytes_per_second")},
                    {"dropped", count("frames_dropped_slow") + count("frames_dropped_ring")},
                    {"replay_seconds", count("replay_seconds")},
                    {"sinks", one.sinks},
                    {"viewers", seen_by.viewers},
                    {"viewer_delay_ms", seen_by.delay_ms}});
  }
  return json({{"event", "sessions"}, {"sessions", list}}).dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Order> parse_order(std::string_view text) {
  const auto invalid = [](std::string why) { return fail(ErrorKind::Invalid, "order", std::move(why)); };
  const json message = json::parse(text, nullptr, false);
  if (!message.is_object()) return invalid("this is no order");
  const std::string wanted = text_of(message, "do");
  const auto* const row = std::ranges::find(kOrders, wanted, &OrderRow::name);
  if (row == kOrders.end()) return invalid("there is no such order");
  Order order{.kind = row->kind, .session = text_of(message, "session"), .options = {}};
  if (const auto id = message.find("id"); id != message.end() && id->is_number_integer()) order.id = *id;
  if (const auto options = message.find("options"); options != message.end() && options->is_object()) {
    for (const auto& [name, value] : options->items()) {
      auto setting = setting_value(value);
      if (!setting) return invalid(fmt::format("{} is no value of a setting", name));
      order.options.push_back({.name = name, .value = *std::move(setting), .where = {}});
    }
  }
  return order;
}

std::string name_start(Order& order) {
  const auto text = [&](std::string_view name) -> const std::string* {
    const auto found = std::ranges::find(order.options, name, &Setting::name);
    return found == order.options.end() ? nullptr : std::get_if<std::string>(&found->value);
  };
  if (const std::string* name = text("name")) {
    order.session = *name;
  } else if (const std::string* known = text("template")) {
    order.session = *known;
  } else {
    // The daemon's own names would only be known when the session runs.
    order.session = fmt::format("view-{:x}", static_cast<unsigned long long>(monotonic_now().count() / 1'000'000));
  }
  if (text("name") == nullptr) order.options.push_back({.name = "name", .value = order.session, .where = {}});
  return order.session;
}

bool add_sink_setting(Order& order, const std::string& sink) {
  const auto has = [&](std::string_view name) {
    return std::ranges::find(order.options, name, &Setting::name) != order.options.end();
  };
  if (has("template") || has("sinks")) return false;
  order.options.push_back({.name = "sinks", .value = std::vector<std::string>{sink}, .where = {}});
  return true;
}

Result<std::string> carry_out(DaemonClient& daemon, const Order& order) {
  switch (order.kind) {
    case OrderKind::Start: return daemon.start(order.options);
    case OrderKind::Stop: {
      auto report = daemon.stop(order.session);
      return report ? Result<std::string>(std::string()) : std::unexpected(report.error());
    }
    case OrderKind::Pause: return empty(daemon.call(order.session, "Pause"));
    case OrderKind::Resume: return empty(daemon.call(order.session, "Resume"));
    case OrderKind::SaveReplay: return daemon.call(order.session, "SaveReplay", std::string());
    case OrderKind::Change: return empty(daemon.reconfigure(order.session, order.options));
  }
  return std::string();
}

Result<void> attach(DaemonClient& daemon, const std::string& session, const std::string& sink) {
  const auto view = daemon.session(session);
  if (!view) return std::unexpected(view.error());
  if (is_over(*view)) return fail(ErrorKind::NotFound, session, "the session has ended");
  // One that was left behind calls now and then; a new one calls at once.
  if (std::ranges::find(view->sinks, sink) != view->sinks.end()) {
    static_cast<void>(daemon.call(session, "RemoveSink", sink));
  }
  const auto added = daemon.call(session, "AddSink", sink);
  return added ? Result<void>() : std::unexpected(added.error());
}

}  // namespace zc::web
