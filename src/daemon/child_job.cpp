#include "daemon/child_job.h"

#include "daemon/spawn.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace zc::daemon {
namespace {

constexpr std::size_t kLongestText = std::size_t{1} << 20U;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> fds{-1, -1};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  Pipe pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "make a pipe");
  return pipe;
}

}  // namespace

Result<std::unique_ptr<ChildJob>> ChildJob::start(EventLoop& loop, const std::string& program,
                                                  const std::vector<std::string>& arguments, Nanoseconds limit,
                                                  Done done) {
  auto out = make_pipe();
  if (!out) return std::unexpected(std::move(out.error()));
  auto errors = make_pipe();
  if (!errors) return std::unexpected(std::move(errors.error()));
  const std::array fds{std::pair{out->write.get(), STDOUT_FILENO}, std::pair{errors->write.get(), STDERR_FILENO}};
  const auto child = spawn(program, arguments, fds);
  if (!child) return std::unexpected(child.error());

  std::unique_ptr<ChildJob> job(new ChildJob());
  job->child_ = *child;
  job->done_ = std::move(done);
  job->out_.pipe = std::move(out->read);
  job->errors_.pipe = std::move(errors->read);
  for (Stream* stream : {&job->out_, &job->errors_}) {
    auto source = loop.on_readable(stream->pipe.get(), [job = job.get(), stream] { job->read(*stream); });
    if (!source) return std::unexpected(std::move(source.error()));
    stream->source = *std::move(source);
  }
  auto exit = loop.on_exit_of(*child, [job = job.get()](const siginfo_t& info) {
    job->child_ = -1;
    if (info.si_code == CLD_EXITED) job->outcome_.exit_code = info.si_status;
    job->finish_if_over();
  });
  if (!exit) return std::unexpected(std::move(exit.error()));
  job->exit_ = *std::move(exit);
  auto timer = loop.after(limit, [job = job.get()] {
    if (job->child_ > 0) ::kill(job->child_, SIGKILL);
  });
  if (!timer) return std::unexpected(std::move(timer.error()));
  job->limit_ = *std::move(timer);
  return job;
}

ChildJob::~ChildJob() {
  if (child_ <= 0) return;
  exit_.reset();
  ::kill(child_, SIGKILL);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED);
}

void ChildJob::read(Stream& stream) {
  std::array<char, 4096> bytes{};
  while (true) {
    const ssize_t got = ::read(stream.pipe.get(), bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) break;
    if (stream.text.size() < kLongestText) stream.text.append(bytes.data(), static_cast<std::size_t>(got));
  }
  stream.source.reset();
  stream.pipe.reset();
  finish_if_over();
}

void ChildJob::finish_if_over() {
  if (child_ > 0 || out_.pipe || errors_.pipe || !done_) return;
  limit_.reset();
  outcome_.out = std::move(out_.text);
  outcome_.errors = std::move(errors_.text);
  const Done done = std::exchange(done_, nullptr);
  done(std::move(outcome_));
}

}  // namespace zc::daemon
