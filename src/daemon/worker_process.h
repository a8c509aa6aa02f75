#pragma once

#include "base/error.h"
#include "daemon/event_loop.h"
#include "ipc/channel.h"
#include "ipc/message.h"

#include <functional>
#include <memory>
#include <string>

namespace zc::daemon {

/// The process that runs one session. Of the loop's thread. A process whose owner goes away finds its channel closed
/// and finishes its files by itself.
class WorkerProcess {
 public:
  struct Events {
    std::function<void(Event)> on_event;
    /// Once, when it is gone and its last words were told; "exited with 1", "crashed with SIGSEGV". May end the worker.
    std::function<void(std::string how)> on_exit;
  };

  [[nodiscard]] static Result<std::unique_ptr<WorkerProcess>> start(EventLoop& loop, const std::string& program,
                                                                    Events events);
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess();

  [[nodiscard]] Result<void> send(const Request& request) const { return channel_.send(to_text(request)); }
  /// It does not answer.
  void kill() const;
  [[nodiscard]] pid_t pid() const { return child_; }

 private:
  WorkerProcess(EventLoop& loop, Channel channel, Events events)
      : loop_(loop), channel_(std::move(channel)), events_(std::move(events)) {}
  [[nodiscard]] Result<void> watch();
  /// Tells all that has come.
  void read();

  EventLoop& loop_;
  Channel channel_;
  Events events_;
  pid_t child_ = -1;
  EventSource readable_;
  EventSource exit_;
};

}  // namespace zc::daemon
