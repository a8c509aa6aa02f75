#pragma once

#include "base/unique_fd.h"
#include "support/private_bus.h"

#include <systemd/sd-bus.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace zc::test {

/// In the place of logind, as far as sleep goes: a system bus of our own, on which Inhibit() hands out locks and
/// PrepareForSleep is told when the test says so. It cannot show that a kernel sleeps.
class LogindStandIn {
 public:
  LogindStandIn();
  LogindStandIn(const LogindStandIn&) = delete;
  LogindStandIn& operator=(const LogindStandIn&) = delete;
  ~LogindStandIn();

  void prepare_for_sleep(bool sleeping);
  /// Locks that are held now.
  [[nodiscard]] std::size_t inhibitors();

 private:
  static int on_inhibit(sd_bus_message* call, void* data, sd_bus_error* error);

  std::unique_ptr<PrivateBus> daemon_;
  std::optional<std::string> address_before_;
  std::mutex mutex_;  ///< the bus and the locks
  sd_bus* bus_ = nullptr;
  std::vector<UniqueFd> locks_;  ///< our ends of pipes
  std::jthread thread_;
};

}  // namespace zc::test
