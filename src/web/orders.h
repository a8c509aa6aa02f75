// The daemon, asked on a thread of its own: its answers may take as long as a file takes to be completed.
#pragma once

#include "base/error.h"
#include "ipc/daemon_client.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace zc::web {

class Orders {
 public:
  /// What is asked of the daemon; on the thread of this object, one after the other.
  using Order = std::function<void(Result<DaemonClient*> daemon)>;

  Orders();
  /// Waits for the order that is being carried out.
  ~Orders();
  Orders(const Orders&) = delete;
  Orders& operator=(const Orders&) = delete;
  Orders(Orders&&) = delete;
  Orders& operator=(Orders&&) = delete;

  /// False: too many wait.
  [[nodiscard]] bool post(Order order);

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Order> orders_;
  std::jthread thread_;
};

}  // namespace zc::web
