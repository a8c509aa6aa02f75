#include "daemon/worker_process.h"

#include "base/log.h"
#include "daemon/spawn.h"
#include "ipc/worker_arguments.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstring>
#include <utility>

namespace zc::daemon {
namespace {

std::string how_it_ended(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return fmt::format("exited with {}", info.si_status);
  const char* name = ::sigabbrev_np(info.si_status);
  return fmt::format("crashed with SIG{}", name == nullptr ? "?" : name);
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(EventLoop& loop, const std::string& program,
                                                            Events events) {
  auto pair = Channel::make_pair();
  if (!pair) return std::unexpected(std::move(pair.error()));
  const std::array fds{std::pair{pair->second.fd(), kWorkerFd}};
  const auto child = spawn(program, {std::string(kWorkerArgument)}, fds);
  if (!child) return std::unexpected(child.error());
  std::unique_ptr<WorkerProcess> worker(new WorkerProcess(loop, std::move(pair->first), std::move(events)));
  worker->child_ = *child;
  if (auto watched = worker->watch(); !watched) return std::unexpected(std::move(watched.error()));
  return worker;
}

Result<void> WorkerProcess::watch() {
  auto readable = loop_.on_readable(channel_.fd(), [this] { read(); });
  if (!readable) return std::unexpected(std::move(readable.error()));
  readable_ = *std::move(readable);
  auto exit = loop_.on_exit_of(child_, [this](const siginfo_t& info) {
    read();  // what it said last
    child_ = -1;
    readable_.reset();
    const auto on_exit = events_.on_exit;
    on_exit(how_it_ended(info));
  });
  if (!exit) return std::unexpected(std::move(exit.error()));
  exit_ = *std::move(exit);
  return {};
}

WorkerProcess::~WorkerProcess() {
  // Whoever ends a worker that still runs wants it gone: a session that is over has been waited for.
  if (child_ <= 0) return;
  exit_.reset();
  ::kill(child_, SIGKILL);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED);
}

void WorkerProcess::kill() const {
  if (child_ > 0) ::kill(child_, SIGKILL);
}

void WorkerProcess::read() {
  const auto on_event = events_.on_event;
  while (true) {
    const auto message = channel_.receive();
    if (!message) {
      readable_.reset();  // its exit follows
      return;
    }
    if (!*message) return;
    auto event = parse_event(**message);
    if (!event) {
      logger("daemon").error("{}", event.error().message());
      continue;
    }
    on_event(*std::move(event));
  }
}

}  // namespace zc::daemon
