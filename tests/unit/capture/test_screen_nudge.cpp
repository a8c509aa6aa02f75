// The nudge against a compositor's side of libwayland.
#include "capture/screen_nudge.h"
#include "support/temporary_folder.h"
#include "support/wayland_server.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdlib>
#include <string>
#include <thread>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// With $XDG_RUNTIME_DIR of its own.
class Runtime {
 public:
  Runtime() {
    ::setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    ::unsetenv("WAYLAND_DISPLAY");
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

 private:
  TemporaryFolder folder_;
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
  WaylandServer compositor(runtime.path("wayland-7"), {.paints = paints});
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
    WaylandServer one(runtime.path("wayland-0"), {});
    WaylandServer two(runtime.path("wayland-1"), {});
    CHECK(nudge_screens(30s).error().kind == ErrorKind::NotFound);
  }
  SECTION("a compositor without layers") {
    WaylandServer compositor(runtime.path("wayland-0"), {.layers = false});
    CHECK(nudge_screens(30s).error().kind == ErrorKind::Unsupported);
    CHECK(compositor.wrong() == 0);
  }
  SECTION("a compositor without screens") {
    WaylandServer compositor(runtime.path("wayland-0"), {.outputs = 0});
    CHECK(nudge_screens(30s).error().kind == ErrorKind::Unsupported);
  }
}

TEST_CASE("the screens are nudged while no picture comes, and no longer") {
  const Runtime runtime;
  WaylandServer compositor(runtime.path("wayland-0"), {.outputs = 1});
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
