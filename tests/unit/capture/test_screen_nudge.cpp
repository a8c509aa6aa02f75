// The nudge against a compositor of the test's own, which speaks just as much of the protocol.
#include "capture/screen_nudge.h"
#include "capture/wayland_wire.h"
#include "support/temporary_folder.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

namespace {

/// Answers one client after the other. Its messages have the form of the client's: the wire can be used from both ends.
class FakeCompositor {
 public:
  struct Options {
    bool layers = true;
    int outputs = 2;
    bool paints = true;
  };
  FakeCompositor(const std::string& path, Options options) : options_(options) {
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_.get(), 4) == 0);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  FakeCompositor(const FakeCompositor&) = delete;
  FakeCompositor& operator=(const FakeCompositor&) = delete;
  ~FakeCompositor() = default;

  [[nodiscard]] int clients() const { return clients_; }
  [[nodiscard]] int shown() const { return shown_; }
  [[nodiscard]] int gone() const { return gone_; }
  [[nodiscard]] int wrong() const { return wrong_; }

 private:
  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd waiting{listener_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      ++clients_;
      WaylandWire wire(std::move(client), stop);
      objects_ = {{kWaylandDisplay, "wl_display"}};
      while (auto request = wire.next(monotonic_now() + 60s)) answer(wire, *request);
    }
  }

  void global(WaylandWire& wire, std::uint32_t registry, std::uint32_t number, std::string_view interface) {
    globals_[number] = interface;
    wire.request(registry, 0, number, interface, 4);
  }

  void answer(WaylandWire& wire, WaylandEvent& request) {
    const std::string interface = objects_.contains(request.object) ? objects_[request.object] : "";
    if (interface.empty()) ++wrong_;
    if (interface == "wl_display" && request.opcode == 0) {
      wire.request(request.number(), 0, 7);
    } else if (interface == "wl_display") {
      const std::uint32_t registry = request.number();
      objects_[registry] = "wl_registry";
      std::uint32_t number = 0;
      global(wire, registry, ++number, "wl_compositor");
      global(wire, registry, ++number, "wl_shm");
      global(wire, registry, ++number, "wl_seat");
      for (int i = 0; i < options_.outputs; ++i) global(wire, registry, ++number, "wl_output");
      if (options_.layers) global(wire, registry, ++number, "zwlr_layer_shell_v1");
    } else if (interface == "wl_registry") {
      const std::uint32_t number = request.number();
      const std::string name(request.text());
      if (globals_[number] != name || request.number() != 1) ++wrong_;
      objects_[request.number()] = name;
    } else if (interface == "wl_compositor") {
      objects_[request.number()] = request.opcode == 0 ? "wl_surface" : "wl_region";
    } else if (interface == "wl_shm") {
      objects_[request.number()] = "wl_shm_pool";
      if (request.number() != 4) ++wrong_;
    } else if (interface == "wl_shm_pool") {
      objects_[request.number()] = "wl_buffer";
    } else if (interface == "zwlr_layer_shell_v1") {
      const std::uint32_t layer = request.number();
      objects_[layer] = "layer";
      layer_of_[request.number()] = layer;
      if (objects_[request.number()] != "wl_output" || request.number() != 3 || request.text() != "zerocast") ++wrong_;
    } else if (interface == "layer" && request.opcode == 6) {
      acked_[request.object] = request.number() == request.object + 1000;
    } else if (interface == "wl_surface") {
      on_surface(wire, request);
    }
  }

  void on_surface(WaylandWire& wire, WaylandEvent& request) {
    const std::uint32_t surface = request.object;
    const std::uint32_t layer = layer_of_[surface];
    switch (request.opcode) {
      case 0: ++gone_; break;
      case 1: attached_[surface] = objects_[request.number()] == "wl_buffer"; break;
      case 3: frame_of_[surface] = request.number(); break;
      case 6:
        if (!attached_[surface]) {  // the first commit has no buffer, and gets its configure
          wire.request(layer, 0, layer + 1000, 1, 1);
        } else {
          if (!acked_[layer]) ++wrong_;
          ++shown_;
          if (options_.paints) wire.request(frame_of_[surface], 0, 1);
        }
        break;
      default: break;
    }
  }

  const Options options_;
  UniqueFd listener_;
  std::map<std::uint32_t, std::string> objects_, globals_;
  std::map<std::uint32_t, std::uint32_t> layer_of_, frame_of_;
  std::map<std::uint32_t, bool> attached_, acked_;
  std::atomic<int> clients_ = 0, shown_ = 0, gone_ = 0, wrong_ = 0;
  std::jthread thread_;
};

/// With $XDG_RUNTIME_DIR of its own.
class Runtime {
 public:
  Runtime() {
    ::setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    ::unsetenv("WAYLAND_DISPLAY");
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

 private:
  test::TemporaryFolder folder_;
};

/// Until it is true, as long as a test may take.
template <class Done>
bool wait_for(Done&& done) {
  const Nanoseconds deadline = monotonic_now() + 40s;
  while (!done() && monotonic_now() < deadline) std::this_thread::sleep_for(5ms);
  return done();
}

}  // namespace

TEST_CASE("a pixel comes up on every screen and goes again") {
  const Runtime runtime;
  const bool paints = GENERATE_COPY(true, false);
  FakeCompositor compositor(runtime.path("wayland-7"), {.paints = paints});
  SECTION("the compositor is named") { ::setenv("WAYLAND_DISPLAY", "wayland-7", 1); }
  SECTION("it is named with its path") { ::setenv("WAYLAND_DISPLAY", runtime.path("wayland-7").c_str(), 1); }
  SECTION("it is the only one") {}
  const auto nudged = nudge_screens(30s);
  if (!nudged) FAIL(nudged.error().message());
  CHECK(compositor.shown() == 2);
  CHECK(compositor.gone() == 2);
  CHECK(compositor.wrong() == 0);
}

TEST_CASE("where nothing can be shown it says so") {
  const Runtime runtime;
  SECTION("no compositor") { CHECK(nudge_screens(30s).error().kind == ErrorKind::NotFound); }
  SECTION("nobody answers at its place") {
    ::setenv("WAYLAND_DISPLAY", "wayland-9", 1);
    CHECK(nudge_screens(30s).error().kind == ErrorKind::NotFound);
  }
  SECTION("two, and none is named") {
    FakeCompositor one(runtime.path("wayland-0"), {});
    FakeCompositor two(runtime.path("wayland-1"), {});
    CHECK(nudge_screens(30s).error().kind == ErrorKind::NotFound);
  }
  SECTION("a compositor without layers") {
    FakeCompositor compositor(runtime.path("wayland-0"), {.layers = false});
    CHECK(nudge_screens(30s).error().kind == ErrorKind::Unsupported);
    CHECK(compositor.wrong() == 0);
  }
  SECTION("a compositor without screens") {
    FakeCompositor compositor(runtime.path("wayland-0"), {.outputs = 0});
    CHECK(nudge_screens(30s).error().kind == ErrorKind::Unsupported);
  }
}

TEST_CASE("the screens are nudged while no picture comes, and no longer") {
  const Runtime runtime;
  FakeCompositor compositor(runtime.path("wayland-0"), {.outputs = 1});
  ScreenNudge nudge;
  SECTION("a stream without a picture") {
    nudge.begun();
    CHECK(wait_for([&] { return compositor.shown() >= 2; }));
    nudge.done();
  }
  SECTION("each stream anew") {
    nudge.begun();
    CHECK(wait_for([&] { return compositor.shown() >= 1; }));
    nudge.done();
    nudge.begun();
    CHECK(wait_for([&] { return compositor.shown() >= 2; }));
  }
  CHECK(compositor.wrong() == 0);
}
