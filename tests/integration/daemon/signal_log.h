#pragma once

#include <systemd/sd-bus.h>

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace zc::test {

/// The signals that the daemon's sessions send from now on, on a connection of its own to the session bus.
class SignalLog {
 public:
  struct Signal {
    std::string member;
    std::vector<std::string> arguments;  ///< as text; switches are "true" and "false"
  };

  SignalLog();
  SignalLog(const SignalLog&) = delete;
  SignalLog& operator=(const SignalLog&) = delete;
  ~SignalLog();

  /// All of that name so far.
  [[nodiscard]] std::vector<Signal> all(std::string_view member) const;
  /// Waits, 60 s at most, for one that `good` takes, and fails the test when none comes.
  Signal wait_for(std::string_view member, const std::function<bool(const Signal&)>& good = {});

 private:
  static int on_signal(sd_bus_message* message, void* data, sd_bus_error* error);

  mutable std::mutex mutex_;
  std::vector<Signal> signals_;
  sd_bus* bus_ = nullptr;
  std::jthread thread_;
};

}  // namespace zc::test
