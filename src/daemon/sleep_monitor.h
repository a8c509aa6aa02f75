#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "daemon/event_loop.h"

#include <systemd/sd-bus.h>

#include <functional>
#include <memory>

namespace zc::daemon {

/// Tells before the machine sleeps and after it has woken up (logind's PrepareForSleep), and holds the sleep up (an
/// inhibitor lock of the kind "delay", five seconds at most by logind's default) until ready() is called.
class SleepMonitor {
 public:
  /// `changed(true)`: about to sleep. NotFound: there is no system bus or no logind.
  [[nodiscard]] static Result<std::unique_ptr<SleepMonitor>> start(EventLoop& loop,
                                                                   std::function<void(bool sleeping)> changed);
  SleepMonitor(const SleepMonitor&) = delete;
  SleepMonitor& operator=(const SleepMonitor&) = delete;
  ~SleepMonitor() = default;
  /// The machine may sleep.
  void ready() { inhibitor_.reset(); }

 private:
  struct BusUnref {
    void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
  };
  explicit SleepMonitor(std::function<void(bool)> changed) : changed_(std::move(changed)) {}
  void inhibit();
  static int on_signal(sd_bus_message* message, void* data, sd_bus_error* error);
  static int on_inhibitor(sd_bus_message* message, void* data, sd_bus_error* error);

  const std::function<void(bool)> changed_;
  UniqueFd inhibitor_;
  std::unique_ptr<sd_bus, BusUnref> bus_;
};

}  // namespace zc::daemon
