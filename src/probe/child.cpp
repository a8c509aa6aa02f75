#include "probe/child.h"

#include "base/unique_fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

namespace zc::probe {
namespace {

constexpr std::size_t kMaxAnswer = std::size_t{8} << 20U;
constexpr std::size_t kMaxLog = 2000;
constexpr auto kPoll = std::chrono::milliseconds(20);
/// A process inside a driver that does not return cannot be ended at once.
constexpr Nanoseconds kKillPatience = std::chrono::seconds(2);
constexpr int kNoExec = 127;

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  ::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);  // the reader's end alone: each end has flags of its own
  return pipe;
}

/// Between fork() and exec(): async-signal-safe calls only.
[[noreturn]] void become(const char* program, char* const* arguments, int answer, int log, int null, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kNoExec);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_DFL);
  const rlimit no_core{1, 1};  // 0 forbids files only; with 1 no program of core_pattern is started either (core(5))
  ::setrlimit(RLIMIT_CORE, &no_core);
  // Away from the numbers they go to, so that no dup2() closes one that is still needed.
  const int safe_answer = ::fcntl(answer, F_DUPFD, 10);
  const int safe_log = ::fcntl(log, F_DUPFD, 10);
  const int safe_null = ::fcntl(null, F_DUPFD, 10);
  ::dup2(safe_null, STDIN_FILENO);
  ::dup2(safe_log, STDOUT_FILENO);
  ::dup2(safe_log, STDERR_FILENO);
  ::dup2(safe_answer, kAnswerFd);
  for (const int fd : {safe_answer, safe_log, safe_null}) ::close(fd);
  ::execv(program, arguments);
  ::_exit(kNoExec);
}

/// Appends what there is; false at the end of the file. `keep_end`: the newest `limit` bytes stay, else the oldest.
bool drain(int fd, std::string& text, std::size_t limit, bool keep_end) {
  std::array<char, 8192> buffer{};
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() <= limit) continue;
    if (keep_end) {
      text.erase(0, text.size() - limit);
    } else {
      text.resize(limit);
    }
  }
}

/// Whether the process has ended. It is not reaped: its number, and its group's, stay taken.
bool ended(pid_t pid) {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0) return errno != EINTR;
  return info.si_pid == pid;
}

class Child {
 public:
  Child(pid_t pid, Pipe answer, Pipe log) : pid_(pid), answer_(std::move(answer.read)), log_(std::move(log.read)) {}

  ChildResult wait(Nanoseconds limit) {
    const Nanoseconds deadline = monotonic_now() + limit;
    ChildResult result;
    while (!ended(pid_) && monotonic_now() < deadline) read(result);
    const bool hung = !ended(pid_);
    ::kill(-pid_, SIGKILL);  // itself or what it left behind
    const Nanoseconds patience = monotonic_now() + kKillPatience;
    while (!ended(pid_) && monotonic_now() < patience) read(result);
    int status = 0;
    const bool reaped = ::waitpid(pid_, &status, WNOHANG) == pid_;
    if (hung || !reaped) {
      result.end = ChildResult::End::Hung;
    } else if (WIFSIGNALED(status)) {
      result.end = ChildResult::End::Crashed;
      result.code = WTERMSIG(status);
    } else {
      result.code = WEXITSTATUS(status);
    }
    drain(answer_.get(), result.answer, kMaxAnswer, false);
    drain(log_.get(), result.log, kMaxLog, true);
    return result;
  }

 private:
  void read(ChildResult& result) {
    std::array<pollfd, 2> watched{
        {{answer_open_ ? answer_.get() : -1, POLLIN, 0}, {log_open_ ? log_.get() : -1, POLLIN, 0}}};
    ::poll(watched.data(), watched.size(), static_cast<int>(kPoll.count()));
    if (answer_open_ && watched[0].revents != 0) answer_open_ = drain(answer_.get(), result.answer, kMaxAnswer, false);
    if (log_open_ && watched[1].revents != 0) log_open_ = drain(log_.get(), result.log, kMaxLog, true);
  }

  pid_t pid_;
  UniqueFd answer_, log_;
  bool answer_open_ = true, log_open_ = true;
};

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

}  // namespace

std::string ChildResult::trouble(Nanoseconds limit) const {
  switch (end) {
    case End::Crashed: return "crashed with " + signal_name(code);
    case End::Hung:
      return fmt::format("did not end within {} s", std::chrono::duration_cast<std::chrono::seconds>(limit).count());
    case End::Exited: break;
  }
  return code == 0 ? std::string() : fmt::format("exited with {}", code);
}

Result<ChildResult> run_child(const std::string& program, const std::vector<std::string>& arguments,
                              Nanoseconds limit) {
  auto answer = make_pipe();
  auto log = make_pipe();
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!answer || !log) return std::unexpected(answer ? log.error() : answer.error());
  if (!null) return fail_errno(errno, "open /dev/null");
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "start " + program);
  if (pid == 0) {
    become(program.c_str(), pointers.data(), answer->write.get(), log->write.get(), null.get(), parent);
  }
  ::setpgid(pid, pid);  // as the child does: whoever comes first
  answer->write.reset();
  log->write.reset();
  return Child(pid, std::move(*answer), std::move(*log)).wait(limit);
}

}  // namespace zc::probe
