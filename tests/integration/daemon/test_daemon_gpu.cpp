// A GPU and its encoder that fail under the daemon, on the software NVIDIA driver (tests/softgpu).
#include "integration/daemon/daemon_rig.h"
#include "integration/daemon/signal_log.h"
#include "tools/png.h"
#include "verify/quality.h"
#include "verify/reference_picture.h"

#include <catch2/generators/catch_generators.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

using namespace zc;
using namespace zc::test;

TEST_CASE("an encoder that dies, or a GPU that is lost: another encoder goes on in the same file, and it is told") {
  const char* fault = GENERATE("encode=40", "lost=60");
  CAPTURE(fault);
  DaemonRig rig("", {"env", "ZEROCAST_SOFTGPU_DIR=" ZEROCAST_SOFTGPU_DIR, "XDG_CACHE_HOME={}/cache",
                     std::string("SOFTGPU_FAULTS=") + fault, ZEROCAST_SOFTGPU});
  SignalLog signals;
  const std::string name = rig.start("gpu.mkv", {{"fps", std::string("30"), {}}});
  CHECK(rig.client().session(name)->encoder == "h264_nvenc");
  const auto change = signals.wait_for("EncoderChanged");
  REQUIRE(change.arguments.size() == 3);
  CHECK(change.arguments[0] == "h264_nvenc");
  CHECK(change.arguments[1] == "libx264");
  CHECK_FALSE(change.arguments[2].empty());
  const SessionView after = rig.wait_for(name, [](const SessionView& one) {
    return one.encoder == "libx264" && figure(one, "encoder_failovers") == 1 && figure(one, "encoder_frames") >= 120;
  });
  CHECK(after.state == "recording");
  CHECK(figure(after, "worker_restarts") == 0);
  const auto report = rig.client().stop(name);
  REQUIRE(report);
  // Every coded picture is there, those that the failed encoder still held too.
  const FrameReport file = check_file(rig.path("gpu.mkv"));
  CHECK(file.frames >= 120);
  CHECK(file.frames == nlohmann::json::parse(*report)["frames"]);
  CHECK(signals.all("EncoderChanged").size() == 1);
  CHECK_FALSE(std::filesystem::exists(rig.path("gpu-2.mkv")));
}

TEST_CASE("a picture that lies in a GPU's memory is read from there, and the encoder goes on") {
  DaemonRig rig("", {"env", "ZEROCAST_SOFTGPU_DIR=" ZEROCAST_SOFTGPU_DIR, "XDG_CACHE_HOME={}/cache", ZEROCAST_SOFTGPU});
  const std::string name = rig.start("gpu.mkv");
  CHECK(rig.client().session(name)->encoder == "h264_nvenc");
  std::optional<std::uint32_t> before;
  for (const char* file : {"a.png", "b.png"}) {
    const double encoded = figure(*rig.client().session(name), "encoder_frames");
    const auto saved = rig.client().call(name, "Snapshot", rig.path(file));
    REQUIRE(saved);
    const auto picture = PngFile::read(*saved);
    REQUIRE(picture);
    const auto mark = picture->mark();
    REQUIRE(mark);
    CHECK((!before || mark->frame > *before));
    before = mark->frame;
    verify::ReferencePicture original({picture->view().size, 8, true, 0, 0, kRgbFull});
    original.paint(*mark);
    CHECK(std::ranges::min(verify::compare(picture->view(), original).psnr) > 26);
    rig.wait_for(name, [&](const SessionView& one) { return figure(one, "encoder_frames") >= encoded + 10; });
  }
  const SessionView after = *rig.client().session(name);
  CHECK(after.encoder == "h264_nvenc");
  CHECK(figure(after, "encoder_failovers") == 0);
  REQUIRE(rig.client().stop(name));
  check_file(rig.path("gpu.mkv"));
}
