#include "cli/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

namespace zc {

namespace {

sigset_t our_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  return signals;
}

}  // namespace

void block_signals() {
  const sigset_t signals = our_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

Result<std::unique_ptr<Signals>> Signals::create(std::stop_source stop) {
  const sigset_t signals = our_signals();
  UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC));
  UniqueFd quit_fd(::eventfd(0, EFD_CLOEXEC));
  if (!signal_fd || !quit_fd) return fail_errno(errno, "watch for signals");
  return std::unique_ptr<Signals>(new Signals(std::move(signal_fd), std::move(quit_fd), std::move(stop)));
}

Signals::Signals(UniqueFd signal_fd, UniqueFd quit_fd, std::stop_source stop)
    : signal_fd_(std::move(signal_fd)),
      quit_fd_(std::move(quit_fd)),
      stop_(std::move(stop)),
      thread_([this] { watch(); }) {}

Signals::~Signals() { ::eventfd_write(quit_fd_.get(), 1); }

void Signals::set_recording(Recording* recording) {
  const std::lock_guard lock(mutex_);
  recording_ = recording;
}

void Signals::watch() {
  std::array<pollfd, 2> watched{{{signal_fd_.get(), POLLIN, 0}, {quit_fd_.get(), POLLIN, 0}}};
  while (true) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if ((watched[1].revents & POLLIN) != 0) return;
    signalfd_siginfo info{};
    if ((watched[0].revents & POLLIN) == 0 || ::read(signal_fd_.get(), &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo == SIGUSR1) {
      const std::lock_guard lock(mutex_);
      if (recording_ != nullptr) recording_->request_keyframe();
      continue;
    }
    if (!stop_.request_stop()) std::_Exit(128 + static_cast<int>(info.ssi_signo));
  }
}

}  // namespace zc
