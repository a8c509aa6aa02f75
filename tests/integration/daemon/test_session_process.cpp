// The process of a session, and a daemon that is not its own.
#include "integration/daemon/daemon_rig.h"
#include "ipc/channel.h"
#include "ipc/message.h"
#include "ipc/worker_arguments.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

using namespace zc;
using namespace zc::test;

TEST_CASE("a session's process that another version's daemon starts says so") {
  auto pair = Channel::make_pair();
  REQUIRE(pair);
  posix_spawn_file_actions_t actions{};
  REQUIRE(::posix_spawn_file_actions_init(&actions) == 0);
  REQUIRE(::posix_spawn_file_actions_adddup2(&actions, pair->second.fd(), kWorkerFd) == 0);
  std::string program = ZEROCAST_PROGRAM, option(kWorkerArgument);
  const std::array<char*, 3> arguments{program.data(), option.data(), nullptr};
  pid_t child = 0;
  REQUIRE(::posix_spawn(&child, ZEROCAST_PROGRAM, &actions, nullptr, arguments.data(), environ) == 0);
  ::posix_spawn_file_actions_destroy(&actions);
  REQUIRE(pair->first.send(to_text(
      Request{.kind = RequestKind::Start,
              .id = 1,
              .arguments = {{"source", std::string("test"), {}}, {"sinks", std::vector<std::string>{"/dev/null"}, {}}},
              .start = StartContext{.version = "0.0.1"}})));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 2);
  const auto said = pair->first.receive();
  REQUIRE(said);
  REQUIRE(*said);
  const auto event = parse_event(**said);
  REQUIRE(event);
  const auto* reply = std::get_if<Reply>(&*event);
  REQUIRE(reply != nullptr);
  REQUIRE(reply->error);
  CHECK(reply->error->kind == ErrorKind::Unsupported);
  CHECK(reply->error->message().find("0.0.1") != std::string::npos);
  CHECK(reply->error->message().find("systemctl --user restart zerocast") != std::string::npos);
}
