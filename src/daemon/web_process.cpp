#include "daemon/web_process.h"

#include "base/log.h"
#include "base/unique_fd.h"
#include "daemon/spawn.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

namespace zc::daemon {
namespace {

constexpr Nanoseconds kLongestPause = std::chrono::minutes(1);

}  // namespace

WebProcess::WebProcess(EventLoop& loop, std::string program) : loop_(loop), program_(std::move(program)) { start(); }

WebProcess::~WebProcess() {
  if (child_ <= 0) return;
  exit_.reset();
  // It has nothing to complete.
  ::kill(child_, SIGKILL);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED);
}

void WebProcess::start() {
  // What it prints is a link with its token, which belongs into no log.
  const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const std::array fds{std::pair{nowhere.get(), STDOUT_FILENO}};
  const auto child = spawn(program_, {"view"}, fds);
  if (!child) {
    logger("daemon").warn("{}", child.error().message());
    return start_later();
  }
  child_ = *child;
  started_ = monotonic_now();
  auto exit = loop_.on_exit_of(child_, [this](const siginfo_t&) {
    child_ = -1;
    logger("daemon").warn("the page's server has ended; it is started again");
    start_later();
  });
  if (exit) exit_ = *std::move(exit);
}

void WebProcess::start_later() {
  if (started_ != Nanoseconds{} && monotonic_now() - started_ > kLongestPause) next_pause_ = std::chrono::seconds(1);
  auto pause = loop_.after(next_pause_, [this] { start(); });
  if (pause) pause_ = *std::move(pause);
  next_pause_ = std::min(2 * next_pause_, kLongestPause);
}

}  // namespace zc::daemon
