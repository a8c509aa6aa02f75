// A sink without a device, and an application that plays to it, until it is told to end: what a desktop's sound is made
// of where there is no sound card. What it plays says when it was heard (media/test_sound.h).
#include "support/tone.h"

#include <csignal>
#include <cstdio>
#include <exception>

int main() {
  // Before any thread is there, which would take the signal otherwise.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  try {
    const zc::test::NullSink speakers("speakers");
    const zc::test::Tone beeps({.application = "Beeps", .hertz = 0});
    std::puts("playing");
    std::fflush(stdout);
    int signal = 0;
    sigwait(&ending, &signal);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "zerocast-desktop-sound: %s\n", error.what());
    return 1;
  }
  return 0;
}
