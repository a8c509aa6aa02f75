#include "integration/daemon/signal_log.h"

#include "config/names.h"
#include "integration/daemon/daemon_rig.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

namespace zc::test {
namespace {

/// The next basic argument as text; nullopt: there is none.
std::optional<std::string> read_argument(sd_bus_message* message) {
  char type = 0;
  const char* contents = nullptr;
  if (sd_bus_message_peek_type(message, &type, &contents) <= 0) return std::nullopt;
  if (type == 's') {
    const char* text = nullptr;
    return sd_bus_message_read_basic(message, 's', static_cast<void*>(&text)) > 0 ? std::optional<std::string>(text)
                                                                                  : std::nullopt;
  }
  if (type == 'b') {
    int on = 0;
    if (sd_bus_message_read_basic(message, 'b', &on) <= 0) return std::nullopt;
    return on != 0 ? "true" : "false";
  }
  double number = 0;
  if (type != 'd' || sd_bus_message_read_basic(message, 'd', &number) <= 0) return std::nullopt;
  return std::to_string(number);
}

using Row = std::vector<std::pair<std::string, std::string>>;

/// A variant's text or number as text; "" is anything else.
std::string read_variant(sd_bus_message* message) {
  char type = 0;
  const char* contents = nullptr;
  if (sd_bus_message_peek_type(message, &type, &contents) <= 0 || type != 'v') return {};
  const std::string_view of = contents;
  if (of != "s" && of != "x" && of != "b" && of != "d") {
    sd_bus_message_skip(message, "v");
    return {};
  }
  if (sd_bus_message_enter_container(message, 'v', contents) <= 0) return {};
  std::string text;
  if (std::int64_t number = 0; of == "x") {
    if (sd_bus_message_read_basic(message, 'x', &number) > 0) text = std::to_string(number);
  } else {
    text = read_argument(message).value_or("");
  }
  sd_bus_message_exit_container(message);
  return text;
}

/// The rows of a variant of aa{sv}.
std::vector<Row> read_rows(sd_bus_message* message) {
  std::vector<Row> rows;
  if (sd_bus_message_enter_container(message, 'v', "aa{sv}") <= 0) return rows;
  sd_bus_message_enter_container(message, 'a', "a{sv}");
  while (sd_bus_message_enter_container(message, 'a', "{sv}") > 0) {
    Row& row = rows.emplace_back();
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
      const char* name = nullptr;
      if (sd_bus_message_read(message, "s", &name) <= 0) break;
      std::string key = name;
      row.emplace_back(std::move(key), read_variant(message));
      sd_bus_message_exit_container(message);
    }
    sd_bus_message_exit_container(message);
  }
  sd_bus_message_exit_container(message);
  sd_bus_message_exit_container(message);
  return rows;
}

}  // namespace

SignalLog::SignalLog() {
  REQUIRE(sd_bus_open_user(&bus_) >= 0);
  const std::string rule = "type='signal',interface='" + std::string(kSessionInterface) + "'";
  REQUIRE(sd_bus_add_match(bus_, nullptr, rule.c_str(), on_signal, this) >= 0);
  const std::string changed =
      "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='" +
      std::string(kSessionInterface) + "'";
  REQUIRE(sd_bus_add_match(bus_, nullptr, changed.c_str(), on_change, this) >= 0);
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (sd_bus_process(bus_, nullptr) > 0) continue;
      pollfd readable{sd_bus_get_fd(bus_), POLLIN, 0};
      ::poll(&readable, 1, 20);
    }
  });
}

SignalLog::~SignalLog() {
  thread_ = {};
  sd_bus_flush_close_unref(bus_);
}

int SignalLog::on_signal(sd_bus_message* message, void* data, sd_bus_error* /*error*/) {
  auto& self = *static_cast<SignalLog*>(data);
  Signal signal{.member = sd_bus_message_get_member(message), .arguments = {}};
  while (auto argument = read_argument(message)) signal.arguments.push_back(*std::move(argument));
  const std::lock_guard lock(self.mutex_);
  self.signals_.push_back(std::move(signal));
  return 0;
}

int SignalLog::on_change(sd_bus_message* message, void* data, sd_bus_error* /*error*/) {
  auto& self = *static_cast<SignalLog*>(data);
  if (sd_bus_message_skip(message, "s") < 0 || sd_bus_message_enter_container(message, 'a', "{sv}") < 0) return 0;
  while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
    const char* name = nullptr;
    if (sd_bus_message_read(message, "s", &name) <= 0) return 0;
    Change change{.path = sd_bus_message_get_path(message), .property = name, .rows = {}};
    char type = 0;
    const char* contents = nullptr;
    if (sd_bus_message_peek_type(message, &type, &contents) <= 0) return 0;
    if (std::string_view(contents) == "aa{sv}") {
      change.rows = read_rows(message);
    } else {
      sd_bus_message_skip(message, "v");
    }
    sd_bus_message_exit_container(message);
    const std::lock_guard lock(self.mutex_);
    self.changes_.push_back(std::move(change));
  }
  return 0;
}

std::vector<SignalLog::Signal> SignalLog::all(std::string_view member) const {
  const std::lock_guard lock(mutex_);
  std::vector<Signal> found;
  std::ranges::copy_if(signals_, std::back_inserter(found), [&](const Signal& one) { return one.member == member; });
  return found;
}

SignalLog::Signal SignalLog::wait_for(std::string_view member, const std::function<bool(const Signal&)>& good) const {
  Signal found;
  const bool came = eventually([&] {
    for (const Signal& one : all(member)) {
      if (good && !good(one)) continue;
      found = one;
      return true;
    }
    return false;
  });
  INFO("signal " << member);
  REQUIRE(came);
  return found;
}

SignalLog::Change SignalLog::wait_for_change(std::string_view property,
                                             const std::function<bool(const Change&)>& good) {
  Change found;
  const bool came = eventually([&] {
    const std::lock_guard lock(mutex_);
    const auto fits = [&](const Change& one) { return one.property == property && (!good || good(one)); };
    const auto change = std::ranges::find_if(changes_, fits);
    if (change == changes_.end()) return false;
    found = *change;
    changes_.erase(changes_.begin(), std::next(change));
    return true;
  });
  INFO("property " << property);
  REQUIRE(came);
  return found;
}

}  // namespace zc::test
