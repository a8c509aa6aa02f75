// The service is stopped while a disk is still busy with what was recorded.
#include "integration/daemon/daemon_rig.h"

#include <csignal>

extern "C" {
#include <libavformat/avformat.h>
}

using namespace zc;
using namespace zc::test;

namespace {

/// As the container tells it.
double stated_seconds(const std::string& path) {
  AVFormatContext* context = nullptr;
  REQUIRE(avformat_open_input(&context, path.c_str(), nullptr, nullptr) == 0);
  const double seconds = static_cast<double>(context->duration) / AV_TIME_BASE;
  avformat_close_input(&context);
  return seconds;
}

}  // namespace

TEST_CASE("a stopped daemon waits for a slow disk: every picture is in the file, which is complete") {
  // A second for each piece of the file. ZEROCAST_BACKLOG=40 is half a minute of them.
  const char* wanted = std::getenv("ZEROCAST_BACKLOG");
  const double backlog = wanted == nullptr ? 8 : std::atof(wanted);
  DaemonRig rig("", {"env", "ZEROCAST_SLOW_DISK=1000", "LD_PRELOAD=" ZEROCAST_SLOW_DISK});
  const std::string name = rig.start("slow.mkv", {{"fps", std::string("30"), {}}});
  // Four pieces are made in a second, one is written.
  const SessionView last =
      rig.wait_for(name, [&](const SessionView& one) { return figure(one, "encoder_frames") >= backlog / 3 * 30; });
  REQUIRE(::kill(rig.process().pid(), SIGTERM) == 0);
  CHECK(eventually([&] { return !rig.process().running(); }));
  CHECK(rig.process().exit_code() == 0);
  const FrameReport file = check_file(rig.path("slow.mkv"));
  CHECK(static_cast<double>(file.frames) >= figure(last, "encoder_frames"));
  CHECK(file.missing == 0);
  CHECK(stated_seconds(rig.path("slow.mkv")) >= file.last_seconds);  // which is written when it is completed
}
