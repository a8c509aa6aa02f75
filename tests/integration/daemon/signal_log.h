#pragma once

#include <systemd/sd-bus.h>

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace zc::test {

/// The signals that the daemon's sessions send from now on, and those of their properties, on a connection of its own
/// to the session bus.
class SignalLog {
 public:
  struct Signal {
    std::string member;
    std::vector<std::string> arguments;  ///< as text; switches are "true" and "false"
  };
  /// A property as org.freedesktop.DBus.Properties.PropertiesChanged told it.
  struct Change {
    std::string path;  ///< the session's
    std::string property;
    std::vector<std::vector<std::pair<std::string, std::string>>> rows;  ///< of type aa{sv}, what is text or a number
  };

  SignalLog();
  SignalLog(const SignalLog&) = delete;
  SignalLog& operator=(const SignalLog&) = delete;
  ~SignalLog();

  /// All of that name so far.
  [[nodiscard]] std::vector<Signal> all(std::string_view member) const;
  /// Waits, 60 s at most, for one that `good` takes, and fails the test when none comes.
  Signal wait_for(std::string_view member, const std::function<bool(const Signal&)>& good = {}) const;
  /// Likewise, for the next change of that property, which is of type aa{sv}; what was told before it is forgotten.
  Change wait_for_change(std::string_view property, const std::function<bool(const Change&)>& good = {});

 private:
  static int on_signal(sd_bus_message* message, void* data, sd_bus_error* error);
  static int on_change(sd_bus_message* message, void* data, sd_bus_error* error);

  mutable std::mutex mutex_;
  std::vector<Signal> signals_;
  std::vector<Change> changes_;
  sd_bus* bus_ = nullptr;
  std::jthread thread_;
};

}  // namespace zc::test
