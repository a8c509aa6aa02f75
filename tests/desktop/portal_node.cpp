// zerocast-portal-node CMD [ARG...]: shares the screen through the portal and runs CMD with the stream's PipeWire node
// id in ZEROCAST_PORTAL_NODE, for programs that know nodes but no portal. Exits with CMD's status and ends the sharing.
#include "capture/portal_session.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <stop_token>
#include <string>

namespace {

int run(std::span<char*> command) {
  if (command.empty()) {
    std::fputs("usage: zerocast-portal-node CMD [ARG...]\n", stderr);
    return 2;
  }
  const auto session = zc::PortalSession::open({}, std::stop_token{});
  if (!session) {
    fmt::print(stderr, "zerocast-portal-node: {}\n", session.error().message());
    return 125;
  }
  const std::string node = std::to_string((*session)->grant().streams.front().node);
  const pid_t child = ::fork();
  if (child < 0) {
    std::perror("zerocast-portal-node: fork");
    return 125;
  }
  if (child == 0) {
    ::setenv("ZEROCAST_PORTAL_NODE", node.c_str(), 1);
    ::execvp(command[0], command.data());  // the span ends before argv's closing null
    std::perror("zerocast-portal-node: exec");
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
  } catch (const std::exception& error) {  // out of memory
    std::fputs(error.what(), stderr);
    return 125;
  }
}
