// What a desktop's sound is made of where there is no sound card, until it is told to end: a sink without a device and
// an application that plays to it; a microphone "card", whose clock is slow by as many ppm as the argument says. What
// is played and heard says when it was (media/test_sound.h).
#include "support/tone.h"

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

int main(int count, char** arguments) {
  // Before any thread is there, which would take the signal otherwise.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  try {
    const zc::test::NullSink speakers("speakers");
    const zc::test::Tone beeps({.application = "Beeps", .hertz = 0});
    const double ppm = count > 1 ? std::stod(arguments[1]) : 0;
    const zc::test::Device card("card", ppm / 1e6);
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
