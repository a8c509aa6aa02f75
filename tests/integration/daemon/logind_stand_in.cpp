#include "integration/daemon/logind_stand_in.h"

#include <catch2/catch_test_macros.hpp>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>

namespace zc::test {
namespace {

constexpr const char* kVariable = "DBUS_SYSTEM_BUS_ADDRESS";
constexpr const char* kPath = "/org/freedesktop/login1";
constexpr const char* kInterface = "org.freedesktop.login1.Manager";

}  // namespace

LogindStandIn::LogindStandIn() {
  // PrivateBus makes itself the session bus; here it is the system's.
  auto daemon = PrivateBus::start();
  REQUIRE(daemon);
  daemon_ = *std::move(daemon);
  if (const char* before = std::getenv(kVariable)) address_before_ = before;
  ::setenv(kVariable, std::getenv("DBUS_SESSION_BUS_ADDRESS"), 1);
  // NOLINTBEGIN: sd-bus's macros.
  static const sd_bus_vtable kTable[] = {SD_BUS_VTABLE_START(0),
                                         SD_BUS_METHOD("Inhibit", "ssss", "h", on_inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
                                         SD_BUS_SIGNAL("PrepareForSleep", "b", 0), SD_BUS_VTABLE_END};
  // NOLINTEND
  REQUIRE(sd_bus_open_system(&bus_) >= 0);
  REQUIRE(sd_bus_add_object_vtable(bus_, nullptr, kPath, kInterface, kTable, this) >= 0);
  REQUIRE(sd_bus_request_name(bus_, "org.freedesktop.login1", 0) >= 0);
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      {
        const std::lock_guard lock(mutex_);
        while (sd_bus_process(bus_, nullptr) > 0) {
        }
      }
      pollfd readable{sd_bus_get_fd(bus_), POLLIN, 0};
      ::poll(&readable, 1, 20);
    }
  });
}

LogindStandIn::~LogindStandIn() {
  thread_ = {};
  sd_bus_flush_close_unref(bus_);
  if (address_before_) {
    ::setenv(kVariable, address_before_->c_str(), 1);
  } else {
    ::unsetenv(kVariable);
  }
}

int LogindStandIn::on_inhibit(sd_bus_message* call, void* data, sd_bus_error* /*error*/) {
  auto& self = *static_cast<LogindStandIn*>(data);
  std::array<int, 2> fds{-1, -1};
  if (::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  self.locks_.emplace_back(fds[0]);
  const UniqueFd theirs(fds[1]);
  return sd_bus_reply_method_return(call, "h", theirs.get());
}

void LogindStandIn::prepare_for_sleep(bool sleeping) {
  const std::lock_guard lock(mutex_);
  REQUIRE(sd_bus_emit_signal(bus_, kPath, kInterface, "PrepareForSleep", "b", static_cast<int>(sleeping)) >= 0);
}

std::size_t LogindStandIn::inhibitors() {
  const std::lock_guard lock(mutex_);
  std::erase_if(locks_, [](const UniqueFd& held) {
    char byte = 0;
    return ::read(held.get(), &byte, 1) == 0;  // nobody has the other end
  });
  return locks_.size();
}

}  // namespace zc::test
