// KWin's streams against a server that is made of KWin's own description of its protocol.
#include "capture/kwin_cast.h"
#include "support/kwin_server.h"
#include "support/temporary_folder.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

class Runtime {
 public:
  Runtime() {
    ::setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    ::unsetenv("WAYLAND_DISPLAY");
  }
  [[nodiscard]] std::string path() const { return (folder_.path() / "wayland-0").string(); }

 private:
  TemporaryFolder folder_;
};

Result<std::unique_ptr<ScreenCast>> open(std::string_view rest, CursorMode cursor = CursorMode::Embedded) {
  return open_kwin_cast(parse_cast(CastSpec::Desktop::KWin, rest).value(), cursor, {});
}

template <class Done>
bool wait_for(Done&& done) {
  const Nanoseconds deadline = monotonic_now() + 40s;
  while (!done() && monotonic_now() < deadline) std::this_thread::sleep_for(5ms);
  return done();
}

}  // namespace

TEST_CASE("each of KWin's streams is asked for as its protocol says") {
  const Runtime runtime;
  KWinServer kwin(runtime.path(), {.node = 4711});
  struct Row {
    const char* rest;
    CursorMode cursor;
    const char* asked;
  };
  const std::vector<Row> rows{
      {"DP-2", CursorMode::Hidden, "output DP-2 pointer 1"},
      {"window:{9d1c}", CursorMode::Embedded, "window {9d1c} pointer 2"},
      {"virtual:1280x721", CursorMode::Metadata, "virtual zerocast 1280x721 scale 1 pointer 4"},
      {"area:-5,7 100x50", CursorMode::Embedded, "region -5,7 100x50 scale 1 pointer 2"},
      {"area:600,7 100x50", CursorMode::Embedded, "region 600,7 100x50 scale 2 pointer 2"},
  };
  std::vector<std::string> wanted;
  for (const Row& row : rows) {
    const auto cast = open(row.rest, row.cursor);
    if (!cast) FAIL(cast.error().message());
    CHECK((*cast)->node() == 4711);
    CHECK(kwin.streams() == 1);
    wanted.emplace_back(row.asked);
    CHECK(kwin.asked() == wanted);
  }
  CHECK(wait_for([&] { return kwin.streams() == 0; }));
}

TEST_CASE("a stream that KWin ends, or that goes with KWin, is told once") {
  const Runtime runtime;
  auto kwin = std::make_unique<KWinServer>(runtime.path(), KWinServer::Options{});
  auto cast = open("DP-1");
  REQUIRE(cast);
  std::promise<Error> ended;
  (*cast)->watch([&](const Error& error) { ended.set_value(error); });
  SECTION("it ends it") { kwin->close(); }
  SECTION("it is gone") { kwin.reset(); }
  auto told = ended.get_future();
  REQUIRE(told.wait_for(40s) == std::future_status::ready);
  CHECK(told.get().kind == ErrorKind::Lost);
  cast->reset();
}

TEST_CASE("a stream that is let go of is over, and nobody is told") {
  const Runtime runtime;
  KWinServer kwin(runtime.path(), {});
  bool told = false;
  auto cast = open("DP-1");
  REQUIRE(cast);
  (*cast)->watch([&](const Error&) { told = true; });
  cast->reset();
  CHECK(wait_for([&] { return kwin.streams() == 0; }));
  CHECK_FALSE(told);
}

TEST_CASE("what KWin does not give says why") {
  const Runtime runtime;
  SECTION("no compositor") { CHECK(open("DP-1").error().kind == ErrorKind::NotFound); }
  SECTION("not to us") {
    KWinServer kwin(runtime.path(), {.version = 0});
    const Error error = open("DP-1").error();
    CHECK(error.kind == ErrorKind::Denied);
    CHECK(error.detail.find("desktop file") != std::string::npos);
  }
  SECTION("not in this version") {
    KWinServer kwin(runtime.path(), {.version = 1});
    CHECK(open("virtual:640x480").error().kind == ErrorKind::Unsupported);
    CHECK(open("area:0,0 64x48").error().detail.find("needs version 3") != std::string::npos);
    CHECK(open("DP-1").has_value());
  }
  SECTION("it says no") {
    KWinServer kwin(runtime.path(), {.refusal = "Could not find window id"});
    const Error error = open("window:x").error();
    CHECK(error.kind == ErrorKind::NotFound);
    CHECK(error.detail == "Could not find window id");
  }
  SECTION("no such output, or several") {
    KWinServer kwin(runtime.path(), {});
    CHECK(open("DP-3").error().kind == ErrorKind::NotFound);
    CHECK(open("").error().message() ==
          "--source kwin: there are several outputs; choose kwin:DP-1, kwin:DP-2, or --region");
    CHECK(kwin.asked().empty());
  }
}
