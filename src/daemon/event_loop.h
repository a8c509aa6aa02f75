// systemd's event loop, with owners for what it hands out.
#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <systemd/sd-event.h>

#include <functional>
#include <memory>
#include <utility>

namespace zc::daemon {

/// One thing the loop waits for; its end takes it off the loop. Movable, so that it can be a member.
class EventSource {
 public:
  EventSource() = default;
  [[nodiscard]] explicit operator bool() const { return source_ != nullptr; }
  void reset() { source_.reset(); }

 private:
  friend class EventLoop;
  struct Handler {
    std::function<void()> call;
  };
  struct Unref {
    void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
  };
  // In this order: the handler outlives the source that calls it.
  std::shared_ptr<Handler> handler_;
  std::unique_ptr<sd_event_source, Unref> source_;
};

/// The daemon's one thread waits here. A handler may end any source, its own too; what it throws ends the process.
class EventLoop {
 public:
  [[nodiscard]] static Result<EventLoop> create();

  /// Called whenever `fd` can be read or has hung up.
  [[nodiscard]] Result<EventSource> on_readable(int fd, std::function<void()> function);
  /// Called once.
  [[nodiscard]] Result<EventSource> after(Nanoseconds time, std::function<void()> function);
  /// Called once the child has ended, with what waitid(2) tells.
  [[nodiscard]] Result<EventSource> on_exit_of(pid_t child, std::function<void(const siginfo_t&)> function);
  /// Called whenever the signal arrives; it is blocked in every thread already.
  [[nodiscard]] Result<EventSource> on_signal(int signal, std::function<void()> function);

  /// Pings systemd's watchdog in time, where the service has one.
  [[nodiscard]] Result<void> feed_watchdog();
  /// Until quit().
  [[nodiscard]] Result<void> run();
  void quit() { sd_event_exit(loop_.get(), 0); }
  [[nodiscard]] sd_event* get() const { return loop_.get(); }

 private:
  struct Unref {
    void operator()(sd_event* loop) const { sd_event_unref(loop); }
  };
  explicit EventLoop(sd_event* loop) : loop_(loop) {}
  [[nodiscard]] static EventSource own(sd_event_source* source, std::shared_ptr<EventSource::Handler> handler);

  std::unique_ptr<sd_event, Unref> loop_;
};

}  // namespace zc::daemon
