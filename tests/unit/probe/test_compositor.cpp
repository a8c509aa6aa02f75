// The question which GPU composes, against a compositor's side of libwayland.
#include "base/unique_fd.h"
#include "probe/compositor.h"
#include "support/temporary_folder.h"
#include "support/wayland_server.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

using namespace zc;
using namespace zc::probe;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

CompositorFacts ask(const WaylandServer::Options& options, Nanoseconds limit = 60s) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "wayland-test";
  const WaylandServer server(path, options);
  ::setenv("WAYLAND_DISPLAY", path.c_str(), 1);
  return ask_compositor(limit);
}

}  // namespace

TEST_CASE("the compositor's main device is read from its feedback") {
  const CompositorFacts facts = ask({.dmabuf_version = 5, .device = makedev(226, 128)});
  CHECK(facts.reached);
  CHECK(facts.device == "226:128");
  CHECK(facts.reason.empty());
}

TEST_CASE("a compositor that does not tell its device, and why") {
  const auto reason = [](const WaylandServer::Options& options) {
    const CompositorFacts facts = ask(options);
    CHECK(facts.reached);
    CHECK(facts.device.empty());
    return facts.reason;
  };
  CHECK(reason({}).starts_with("it offers no zwp_linux_dmabuf_v1"));
  CHECK(reason({.dmabuf_version = 3}) == "its zwp_linux_dmabuf_v1 is version 3, and tells its device from 4 on");
  CHECK(reason({.dmabuf_version = 4}) == "it does not tell its device");
  const std::string refused = reason({.refuses = true, .dmabuf_version = 4});
  CHECK(refused.starts_with("it refuses a request: zwp_linux_dmabuf_v1"));
  CHECK(refused.ends_with("error 7: no"));
}

TEST_CASE("a compositor that is silent, or hangs up") {
  CHECK(ask({.answers = false}, 50ms).reason == "it does not answer");
  const TemporaryFolder folder;
  const std::string path = folder.path() / "wayland-test";
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.get(), 4) == 0);
  const std::jthread hangs_up([&] { const UniqueFd client(::accept(listener.get(), nullptr, nullptr)); });
  ::setenv("WAYLAND_DISPLAY", path.c_str(), 1);
  const CompositorFacts facts = ask_compositor(60s);
  CHECK_FALSE(facts.reached);
  CHECK(facts.reason == "it has hung up");
}
