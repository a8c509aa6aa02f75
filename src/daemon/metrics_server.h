#pragma once

#include "base/error.h"
#include "config/daemon_settings.h"
#include "ipc/message.h"
#include "ipc/statistics.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace zc::daemon {

/// One session as metrics show it.
struct SessionSample {
  std::string name;
  SessionState state = SessionState::Starting;
  std::string encoder;
  std::string route;
  Statistics statistics;
};

/// Metrics for Prometheus at http://ADDRESS/metrics, served by a library on threads of its own.
class MetricsServer {
 public:
  /// Busy: the address is taken. Invalid: it is none of this machine's.
  [[nodiscard]] static Result<std::unique_ptr<MetricsServer>> start(const ListenAddress& address);
  virtual ~MetricsServer() = default;
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  /// What is served from now on.
  virtual void show(std::vector<SessionSample> sessions) = 0;

 protected:
  MetricsServer() = default;
};

}  // namespace zc::daemon
