// The page's server, as a child of the daemon's.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "daemon/event_loop.h"

#include <sys/types.h>

#include <chrono>
#include <string>

namespace zc::daemon {

/// `zerocast view` as the configuration has it. One that ends by itself is started again, after a pause that grows from
/// a second to a minute. Of the loop's thread. Its end ends the process.
class WebProcess {
 public:
  WebProcess(EventLoop& loop, std::string program);
  ~WebProcess();
  WebProcess(const WebProcess&) = delete;
  WebProcess& operator=(const WebProcess&) = delete;
  WebProcess(WebProcess&&) = delete;
  WebProcess& operator=(WebProcess&&) = delete;

 private:
  void start();
  void start_later();

  EventLoop& loop_;
  std::string program_;
  pid_t child_ = -1;
  EventSource exit_;
  EventSource pause_;
  Nanoseconds next_pause_ = std::chrono::seconds(1);
  Nanoseconds started_{};
};

}  // namespace zc::daemon
