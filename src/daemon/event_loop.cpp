#include "daemon/event_loop.h"

#include <sys/epoll.h>
#include <sys/wait.h>

#include <cstdint>
#include <utility>

namespace zc::daemon {
namespace {

// The copy keeps the function while it runs, whatever it does to its source.
void call(void* handler_of) {
  const auto function = *static_cast<std::function<void()>*>(handler_of);
  function();
}

constexpr const char* kOperation = "set up the event loop";

}  // namespace

Result<EventLoop> EventLoop::create() {
  sd_event* loop = nullptr;
  if (const int r = sd_event_new(&loop); r < 0) return fail_errno(-r, kOperation);
  return EventLoop(loop);
}

EventSource EventLoop::own(sd_event_source* source, std::shared_ptr<EventSource::Handler> handler) {
  EventSource result;
  result.handler_ = std::move(handler);
  result.source_.reset(source);
  return result;
}

Result<EventSource> EventLoop::on_readable(int fd, std::function<void()> function) {
  auto handler = std::make_shared<EventSource::Handler>(std::move(function));
  sd_event_source* source = nullptr;
  const auto on_io = [](sd_event_source*, int, std::uint32_t, void* data) {
    call(data);
    return 0;
  };
  if (const int r = sd_event_add_io(loop_.get(), &source, fd, EPOLLIN, on_io, &handler->call); r < 0) {
    return fail_errno(-r, kOperation);
  }
  return own(source, std::move(handler));
}

Result<EventSource> EventLoop::after(Nanoseconds time, std::function<void()> function) {
  auto handler = std::make_shared<EventSource::Handler>(std::move(function));
  sd_event_source* source = nullptr;
  const auto on_time = [](sd_event_source*, std::uint64_t, void* data) {
    call(data);
    return 0;
  };
  const auto us = static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::microseconds>(time).count());
  if (const int r = sd_event_add_time_relative(loop_.get(), &source, CLOCK_MONOTONIC, us, 0, on_time, &handler->call);
      r < 0) {
    return fail_errno(-r, kOperation);
  }
  return own(source, std::move(handler));
}

Result<EventSource> EventLoop::on_exit_of(pid_t child, std::function<void(const siginfo_t&)> function) {
  struct ChildHandler : EventSource::Handler {
    std::function<void(const siginfo_t&)> with_info;
  };
  auto handler = std::make_shared<ChildHandler>();
  handler->with_info = std::move(function);
  sd_event_source* source = nullptr;
  const auto on_child = [](sd_event_source*, const siginfo_t* info, void* data) {
    const auto copy = static_cast<ChildHandler*>(data)->with_info;
    copy(*info);
    return 0;
  };
  if (const int r = sd_event_add_child(loop_.get(), &source, child, WEXITED, on_child, handler.get()); r < 0) {
    return fail_errno(-r, kOperation);
  }
  return own(source, std::move(handler));
}

Result<EventSource> EventLoop::on_signal(int signal, std::function<void()> function) {
  auto handler = std::make_shared<EventSource::Handler>(std::move(function));
  sd_event_source* source = nullptr;
  const auto on_signal = [](sd_event_source*, const signalfd_siginfo*, void* data) {
    call(data);
    return 0;
  };
  if (const int r = sd_event_add_signal(loop_.get(), &source, signal, on_signal, &handler->call); r < 0) {
    return fail_errno(-r, kOperation);
  }
  return own(source, std::move(handler));
}

Result<void> EventLoop::feed_watchdog() {
  if (const int r = sd_event_set_watchdog(loop_.get(), 1); r < 0) return fail_errno(-r, "feed the watchdog");
  return {};
}

Result<void> EventLoop::run() {
  if (const int r = sd_event_loop(loop_.get()); r < 0) return fail_errno(-r, "run the event loop");
  return {};
}

}  // namespace zc::daemon
