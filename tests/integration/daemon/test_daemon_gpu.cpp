// A GPU and its encoder that fail under the daemon, on the software NVIDIA driver (tests/softgpu).
#include "integration/daemon/daemon_rig.h"
#include "integration/daemon/signal_log.h"

#include <catch2/generators/catch_generators.hpp>
#include <nlohmann/json.hpp>

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
