#include "daemon/bus_service.h"

#include "base/log.h"
#include "config/names.h"
#include "daemon/bus_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

namespace zc::daemon {
namespace {

constexpr Nanoseconds kFirstRetry = std::chrono::milliseconds(250);
constexpr Nanoseconds kLongestRetry = std::chrono::seconds(10);

std::string encoded_path(const std::string& name) {
  char* path = nullptr;
  if (sd_bus_path_encode(kSessionsPath, name.c_str(), &path) < 0) return kSessionsPath;
  const std::unique_ptr<char, decltype(&std::free)> owner(path, &std::free);
  return path;
}

}  // namespace

BusService::~BusService() = default;

std::string BusService::path_of(const Session& session) { return encoded_path(session.name()); }

Result<void> BusService::connect() {
  sd_bus* raw = nullptr;
  if (const int r = sd_bus_open_user(&raw); r < 0) {
    return fail(ErrorKind::NotFound, "reach the session bus",
                "there is none: is this a desktop session, and is DBUS_SESSION_BUS_ADDRESS right?");
  }
  bus_.reset(raw);
  if (auto published = publish(); !published) {
    slots_.clear();
    bus_.reset();
    return published;
  }
  return {};
}

Result<void> BusService::publish() {
  sd_bus* bus = bus_.get();
  sd_bus_slot* slot = nullptr;
  const auto keep = [&](int r) {
    if (r >= 0) slots_.emplace_back(std::exchange(slot, nullptr));
    return r;
  };
  const auto disconnected = [](sd_bus_message*, void* data, sd_bus_error*) {
    static_cast<BusService*>(data)->lost();
    return 0;
  };
  int r = sd_bus_attach_event(bus, loop_.get(), 0);
  if (r >= 0) r = keep(sd_bus_add_object_manager(bus, &slot, kManagerPath));
  if (r >= 0) r = keep(sd_bus_add_object_vtable(bus, &slot, kManagerPath, kManagerInterface, manager_table(), this));
  if (r >= 0) {
    r = keep(
        sd_bus_add_fallback_vtable(bus, &slot, kSessionsPath, kSessionInterface, session_table(), find_session, this));
  }
  if (r >= 0) r = keep(sd_bus_add_node_enumerator(bus, &slot, kSessionsPath, list_session_nodes, this));
  if (r >= 0) {
    r = keep(sd_bus_match_signal(bus, &slot, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                 "org.freedesktop.DBus.Local", "Disconnected", disconnected, this));
  }
  if (r < 0) return fail_errno(-r, "publish the D-Bus interface");
  r = sd_bus_request_name(bus, kBusName, 0);
  if (r == -EEXIST) return fail(ErrorKind::Busy, fmt::format("take the name {}", kBusName), "another daemon runs");
  if (r < 0) return fail_errno(-r, fmt::format("take the name {}", kBusName));
  return {};
}

void BusService::lost() {
  logger("daemon").warn("the session bus is gone; sessions go on");
  back_off_ = kFirstRetry;
  // Not from within its own callback.
  if (auto timer = loop_.after(kFirstRetry, [this] { look_again(); })) retry_ = *std::move(timer);
}

void BusService::look_again() {
  slots_.clear();
  if (bus_) sd_bus_detach_event(bus_.get());
  bus_.reset();
  if (const auto connected = connect()) {
    retry_.reset();
    logger("daemon").info("the session bus is back");
    return;
  }
  back_off_ = std::min(back_off_ * 2, kLongestRetry);
  if (auto timer = loop_.after(back_off_, [this] { look_again(); })) retry_ = *std::move(timer);
}

void BusService::manager_changed(const char* property) {
  if (bus_) sd_bus_emit_properties_changed(bus_.get(), kManagerPath, kManagerInterface, property, nullptr);
}

void BusService::added(const Session& session) {
  if (!bus_) return;
  sd_bus_emit_interfaces_added(bus_.get(), path_of(session).c_str(), kSessionInterface, nullptr);
  manager_changed("Sessions");
}

void BusService::removed(const Session& session) {
  if (!bus_) return;
  sd_bus_emit_interfaces_removed(bus_.get(), path_of(session).c_str(), kSessionInterface, nullptr);
  manager_changed("Sessions");
}

void BusService::encoders_changed() { manager_changed("Encoders"); }

void BusService::templates_changed() { manager_changed("Templates"); }

template <class... Arguments>
void BusService::signal(const Session& session, const char* member, const char* types, Arguments... arguments) {
  if (bus_) {
    sd_bus_emit_signal(bus_.get(), path_of(session).c_str(), kSessionInterface, member, types, arguments...);
  }
}

void BusService::on_state(const Session& session, SessionState before, const std::string& reason) {
  if (!bus_) return;
  signal(session, "StateChanged", "sss", std::string(to_string(before)).c_str(),
         std::string(to_string(session.state())).c_str(), bus::good_text(reason).c_str());
  sd_bus_emit_properties_changed(bus_.get(), path_of(session).c_str(), kSessionInterface, "State", "Error", nullptr);
  if (before == SessionState::Reconnecting && session.state() == SessionState::Recording) {
    signal(session, "Restored", "");
  }
  if (operations_.capturing() != capturing_told_) {
    capturing_told_ = operations_.capturing();
    manager_changed("Capturing");
  }
}

void BusService::on_facts(const Session& session) {
  if (!bus_) return;
  sd_bus_emit_properties_changed(bus_.get(), path_of(session).c_str(), kSessionInterface, "Source", "Route", "Encoder",
                                 "Codec", "Size", "Sinks", "Layers", nullptr);
}

void BusService::on_change(const Session& session, const ChangeEvent& change) {
  signal(session, change.what == ChangeEvent::What::Route ? "RouteChanged" : "EncoderChanged", "sss",
         bus::good_text(change.before).c_str(), bus::good_text(change.now).c_str(),
         bus::good_text(change.reason).c_str());
}

void BusService::on_sink_error(const Session& session, const SinkEvent& event) {
  signal(session, "SinkError", "ssb", bus::good_text(event.sink).c_str(), bus::good_text(event.error).c_str(),
         static_cast<int>(event.fatal));
}

void BusService::on_layer(const Session& session, const LayerEvent& event) {
  signal(session, "LayerChanged", "ss", bus::good_text(event.layer).c_str(), bus::good_text(event.error).c_str());
}

void BusService::on_stall(const Session& session, const StallEvent& event) {
  if (event.stalled) {
    signal(session, "Stalled", "d", event.seconds);
  } else {
    signal(session, "Restored", "");
  }
}

void BusService::on_statistics(const Session& /*session*/) {}  // asked for, not sent

}  // namespace zc::daemon
