#include "daemon/sleep_monitor.h"

#include <fcntl.h>

#include <cerrno>
#include <utility>

namespace zc::daemon {
namespace {

constexpr const char* kLogind = "org.freedesktop.login1";
constexpr const char* kPath = "/org/freedesktop/login1";
constexpr const char* kManager = "org.freedesktop.login1.Manager";

}  // namespace

Result<std::unique_ptr<SleepMonitor>> SleepMonitor::start(EventLoop& loop, std::function<void(bool)> changed) {
  sd_bus* bus = nullptr;
  if (const int r = sd_bus_open_system(&bus); r < 0) {
    return fail(ErrorKind::NotFound, "watch for sleep", "there is no system bus");
  }
  std::unique_ptr<SleepMonitor> monitor(new SleepMonitor(std::move(changed)));
  monitor->bus_.reset(bus);
  int r = sd_bus_attach_event(bus, loop.get(), 0);
  if (r >= 0) {
    r = sd_bus_match_signal_async(bus, nullptr, kLogind, kPath, kManager, "PrepareForSleep", on_signal, nullptr,
                                  monitor.get());
  }
  if (r < 0) return fail_errno(-r, "watch for sleep");
  monitor->inhibit();
  return monitor;
}

void SleepMonitor::inhibit() {
  sd_bus_call_method_async(bus_.get(), nullptr, kLogind, kPath, kManager, "Inhibit", on_inhibitor, this, "ssss",
                           "sleep", "zerocast", "Recordings let go of the graphics card", "delay");
}

int SleepMonitor::on_inhibitor(sd_bus_message* message, void* data, sd_bus_error* /*error*/) {
  int fd = -1;  // the message's
  if (sd_bus_message_is_method_error(message, nullptr) == 0 && sd_bus_message_read(message, "h", &fd) > 0) {
    static_cast<SleepMonitor*>(data)->inhibitor_.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  }
  return 0;
}

int SleepMonitor::on_signal(sd_bus_message* message, void* data, sd_bus_error* /*error*/) {
  auto& monitor = *static_cast<SleepMonitor*>(data);
  int sleeping = 0;
  if (sd_bus_message_read(message, "b", &sleeping) <= 0) return 0;
  if (sleeping == 0) monitor.inhibit();
  monitor.changed_(sleeping != 0);
  return 0;
}

}  // namespace zc::daemon
