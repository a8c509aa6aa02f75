// Child processes that crash, hang, talk too much or leave something behind.
#include "probe/child.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill()
#include <catch2/catch_test_macros.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

using namespace zc;
using namespace zc::probe;
using namespace std::chrono_literals;

namespace {

constexpr Nanoseconds kPlenty = 60s;

ChildResult shell(const std::string& script, Nanoseconds limit = kPlenty) {
  const auto result = run_child("/bin/sh", {"-c", script}, limit);
  REQUIRE(result);
  return *result;
}

}  // namespace

TEST_CASE("an answer and what is said beside it are kept apart") {
  const ChildResult result = shell("echo said; echo wrong >&2; echo answered >&3");
  CHECK(result.end == ChildResult::End::Exited);
  CHECK(result.code == 0);
  CHECK(result.answer == "answered\n");
  CHECK(result.log == "said\nwrong\n");
  CHECK(result.trouble(kPlenty).empty());
}

TEST_CASE("an exit code is told") {
  const ChildResult result = shell("exit 3");
  CHECK(result.trouble(kPlenty) == "exited with 3");
}

TEST_CASE("a crash is named, and what was answered before it stays") {
  const ChildResult result = shell("echo half >&3; kill -SEGV $$");
  CHECK(result.end == ChildResult::End::Crashed);
  CHECK(result.trouble(kPlenty) == "crashed with SIGSEGV");
  CHECK(result.answer == "half\n");
}

TEST_CASE("a child that hangs is ended, with what it started") {
  const ChildResult result = shell("sleep 600 & echo $! >&3; sleep 600", 1s);
  CHECK(result.end == ChildResult::End::Hung);
  CHECK(result.trouble(1s) == "did not end within 1 s");
  const int grandchild = std::stoi(result.answer);
  // It was killed; whoever inherited it reaps it.
  bool gone = false;
  for (int i = 0; i < 600 && !gone; ++i) {
    gone = ::kill(grandchild, 0) != 0 && errno == ESRCH;
    if (!gone) {
      // A zombie whose heir does not reap still counts as ended.
      const auto state =
          run_child("/bin/sh", {"-c", "cut -d' ' -f3 /proc/" + std::to_string(grandchild) + "/stat >&3"}, kPlenty);
      REQUIRE(state);
      gone = state->answer == "Z\n" || state->answer.empty();
    }
    if (!gone) std::this_thread::sleep_for(100ms);
  }
  CHECK(gone);
}

TEST_CASE("a child that ignores signals is ended") {
  const ChildResult result = shell("trap '' TERM INT HUP; while :; do sleep 1; done", 1s);
  CHECK(result.end == ChildResult::End::Hung);
}

TEST_CASE("what a child leaves behind does not hold up the parent") {
  // The background process keeps both pipes open.
  const ChildResult result = shell("sleep 600 & echo done >&3");
  CHECK(result.end == ChildResult::End::Exited);
  CHECK(result.answer == "done\n");
}

TEST_CASE("talk without end is cut") {
  const ChildResult result =
      shell("i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i + 1)); done; echo last >&2");
  CHECK(result.log.size() <= 2000);
  CHECK(result.log.ends_with("line 19999\nlast\n"));
}

TEST_CASE("a large answer arrives whole") {
  const ChildResult result = shell("head -c 1000000 /dev/zero | tr '\\0' x >&3");
  CHECK(result.answer == std::string(1'000'000, 'x'));
}

TEST_CASE("a program that is not there exits with 127") {
  const auto result = run_child("/nonexistent/program", {}, kPlenty);
  REQUIRE(result);
  CHECK(result->trouble(kPlenty) == "exited with 127");
}

TEST_CASE("signals the parent ignores or blocks are as new in the child") {
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
  const auto old = ::signal(SIGPIPE, SIG_IGN);
  const ChildResult result = shell("grep -E '^Sig(Blk|Ign):' /proc/self/status >&3");
  ::signal(SIGPIPE, old);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  CHECK(result.answer.find("SigBlk:\t0000000000000000") != std::string::npos);
  const std::size_t at = result.answer.find("SigIgn:\t");
  REQUIRE(at != std::string::npos);
  CHECK((std::stoull(result.answer.substr(at + 8), nullptr, 16) >> (SIGPIPE - 1) & 1U) == 0);
}
