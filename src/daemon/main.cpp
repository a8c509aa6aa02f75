// zerocast-daemon: what `zerocast daemon` becomes. It is a program of its own so that a service that waits for months
// does not hold FFmpeg's and the drivers' libraries in memory.
#include "base/install_paths.h"
#include "base/log.h"
#include "daemon/daemon.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

namespace {

using namespace zc;

constexpr int kInternal = 1;
constexpr int kUsage = 2;
constexpr int kNoBus = 3;

/// As the command line's exit codes: README.md.
int exit_code(const Error& error) {
  if (error.kind == ErrorKind::Invalid) return kUsage;
  return error.kind == ErrorKind::NotFound || error.kind == ErrorKind::Busy ? kNoBus : kInternal;
}

int report(const Error& error) {
  std::fprintf(stderr, "zerocast: %s\n", error.message().c_str());
  return exit_code(error);
}

int run() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  init_logging();
  auto program = find_program(zerocast_program(), daemon_program());
  if (!program) return report(program.error());
  auto daemon = daemon::Daemon::create(*std::move(program));
  if (!daemon) return report(daemon.error());
  if (const auto served = (*daemon)->run(); !served) return report(served.error());
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    if (count > 1) {
      std::fprintf(stderr, "zerocast: '%s': the daemon takes no arguments; it is set up in the configuration file\n",
                   words[1]);
      return kUsage;
    }
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "zerocast: internal error: %s\n", error.what());
  }
  return kInternal;
}
