// `zerocast camera` as a program: read by GStreamer, killed.
#include "camera_rig.h"

#include "support/child_process.h"
#include "support/private_bus.h"
#include "support/temporary_folder.h"

#include <spa/param/video/raw.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <system_error>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

TEST_CASE("GStreamer reads a thousand numbered pictures of a camera", "[camera]") {
  if (std::system("gst-inspect-1.0 pipewiresrc >/dev/null 2>&1") != 0) SKIP("GStreamer has no pipewiresrc here");
  const auto server = pipewire();
  const TemporaryFolder folder;
  constexpr std::size_t kPictures = 1000;
  constexpr std::size_t kBytes = 160 * 120 * 3 / 2;
  auto camera = run({"camera", "--name", "zc-test", "--source", "test:160x120@60"}, folder);
  REQUIRE(eventually([] { return cameras_named("zc-test") == 1; }));
  auto gstreamer = ChildProcess::start(
      {"gst-launch-1.0", "-q", "pipewiresrc", "target-object=zc-test", "num-buffers=1000", "!",
       "video/x-raw,format=NV12,width=160,height=120", "!", "filesink", "location=" + folder.file("pictures")},
      folder.file("gstreamer.log"));
  REQUIRE(gstreamer);
  INFO(folder.read("log") << folder.read("gstreamer.log"));
  REQUIRE(eventually([&] { return !gstreamer->running(); }));
  CHECK(gstreamer->exit_code() == 0);
  const std::string bytes = folder.read("pictures");
  REQUIRE(bytes.size() == kPictures * kBytes);
  std::uint32_t last = 0;
  for (std::size_t i = 0; i < kPictures; ++i) {
    const auto picture = std::as_bytes(std::span(bytes)).subspan(i * kBytes, kBytes);
    const auto mark = read_mark(picture.first(160 * 120), 160, {160, 120}, 1, {160, 120});
    REQUIRE(mark);
    CHECK((i == 0 || mark->frame >= last));
    last = mark->frame;
  }
  camera.end();
  CHECK(folder.read("log").contains("nothing was encoded"));
}

TEST_CASE("a camera is gone with the program that was killed", "[camera]") {
  const auto server = pipewire();
  const TemporaryFolder folder;
  auto camera = run({"camera", "--name", "zc-test", "--source", "test:160x120@30"}, folder);
  REQUIRE(eventually([] { return cameras_named("zc-test") == 1; }));
  CameraReader reader({.camera = "zc-test", .formats = {}, .most_rate = {}});
  REQUIRE(reader.wait_for(3));
  camera.end(true);
  CHECK(eventually([] { return cameras_named("zc-test") == 0; }));
}

TEST_CASE("Ctrl-C takes a camera away, and the time that was asked for does", "[camera]") {
  const auto server = pipewire();
  const TemporaryFolder folder;
  auto camera = run({"camera", "--name", "zc-test", "--source", "test:160x120@30", "--seconds", "1"}, folder);
  REQUIRE(eventually([&] { return !camera.running(); }));
  CHECK(camera.exit_code() == 0);
  CHECK(cameras_named("zc-test") == 0);
}

TEST_CASE("a session of the daemon has a camera among its sinks, which comes and goes", "[camera]") {
  const auto server = pipewire();
  const auto bus = PrivateBus::start();
  if (!bus) FAIL(bus.error().message());
  const TemporaryFolder folder;
  auto daemon = ChildProcess::start({ZEROCAST_DAEMON}, folder.file("daemon.log"));
  REQUIRE(daemon);
  const auto session = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "session");
    auto child = run(arguments, folder);
    REQUIRE(eventually([&] { return !child.running(); }));
    return child.exit_code();
  };
  REQUIRE(eventually([&] { return session({"list"}) == 0; }));
  const int started = session({"start", "--name", "show", "-o", "camera:zc-test", "--source", "test:160x120@30"});
  INFO(folder.read("log") << folder.read("daemon.log"));
  REQUIRE(started == 0);
  CHECK(cameras_named("zc-test") == 1);
  {
    CameraReader reader({.camera = "zc-test", .formats = {}, .most_rate = {}});
    REQUIRE(reader.wait_for(3));
    CHECK(session({"add-sink", "show", "camera:zc-more"}) == 0);
    CHECK(session({"add-sink", "show", "camera:zc-more"}) != 0);
    CHECK(folder.read("log").contains("it is a sink of this session already"));
    CHECK(eventually([] { return cameras_named("zc-more") == 1; }));
    CHECK(session({"add-sink", "show", folder.file("show.mkv")}) == 0);
    CHECK(eventually([&] {
      std::error_code none;
      return std::filesystem::file_size(folder.file("show.mkv"), none) > 1000 && !none;
    }));
    CHECK(session({"status", "show"}) == 0);
    CHECK(folder.read("log").contains("camera:zc-test"));
    CHECK(session({"remove-sink", "show", "camera:zc-more"}) == 0);
    CHECK(cameras_named("zc-more") == 0);
  }
  CHECK(session({"stop", "show"}) == 0);
  CHECK(eventually([] { return cameras_named("zc-test") == 0; }));
}

TEST_CASE("what is no v4l2loopback device is refused in one line") {
  const TemporaryFolder folder;
  auto camera = run({"camera", "--device", "/dev/video98", "--source", "test"}, folder);
  REQUIRE(eventually([&] { return !camera.running(); }));
  CHECK(camera.exit_code() == 6);
  CHECK(folder.read("log").contains("camera:/dev/video98"));
}
