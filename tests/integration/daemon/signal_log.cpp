#include "integration/daemon/signal_log.h"

#include "config/names.h"
#include "integration/daemon/daemon_rig.h"

#include <poll.h>

#include <algorithm>
#include <array>
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

}  // namespace

SignalLog::SignalLog() {
  REQUIRE(sd_bus_open_user(&bus_) >= 0);
  const std::string rule = "type='signal',interface='" + std::string(kSessionInterface) + "'";
  REQUIRE(sd_bus_add_match(bus_, nullptr, rule.c_str(), on_signal, this) >= 0);
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

std::vector<SignalLog::Signal> SignalLog::all(std::string_view member) const {
  const std::lock_guard lock(mutex_);
  std::vector<Signal> found;
  std::ranges::copy_if(signals_, std::back_inserter(found), [&](const Signal& one) { return one.member == member; });
  return found;
}

SignalLog::Signal SignalLog::wait_for(std::string_view member, const std::function<bool(const Signal&)>& good) {
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

}  // namespace zc::test
