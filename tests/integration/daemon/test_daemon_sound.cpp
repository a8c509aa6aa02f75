// Sessions with sound: what is heard is said, and changes while it runs.
#include "integration/daemon/daemon_rig.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace zc;
using namespace zc::test;

namespace {

template <class Value>
Value value_of(const std::vector<Setting>& values, std::string_view name) {
  const auto found = std::ranges::find(values, name, &Setting::name);
  return found == values.end() ? Value{} : std::get<Value>(found->value);
}

}  // namespace

TEST_CASE("a session says what it hears, and a source is muted or turned down as it runs") {
  DaemonRig rig;
  const std::string name = rig.start("talk.mkv", {{"audio", std::vector<std::string>{"test,volume=-6dB"}, {}}});
  const SessionView heard = rig.wait_for(name, [](const SessionView& one) {
    return one.audio_sources.size() == 1 && value_of<bool>(one.audio_sources[0], "heard") &&
           value_of<double>(one.audio_tracks[0], "peak") > -20;
  });
  CHECK(value_of<std::string>(heard.audio_sources[0], "name") == "test");
  CHECK(std::abs(value_of<double>(heard.audio_sources[0], "volume") + 6) < 0.01);
  CHECK(value_of<std::string>(heard.audio_tracks[0], "codec") == "aac");
  CHECK(run(rig, {"session", "status", name}).has("sound                   test at -6 dB in track 1\n"));

  CHECK(run(rig, {"session", "audio", name, "test", "mute"}).exit_code == 0);
  const SessionView muted = rig.wait_for(name, [](const SessionView& one) {
    return value_of<bool>(one.audio_sources[0], "muted") && value_of<double>(one.audio_tracks[0], "peak") < -100;
  });
  CHECK(std::abs(value_of<double>(muted.audio_sources[0], "volume") + 6) < 0.01);
  CHECK(run(rig, {"session", "status", name}).has("sound                   test muted in track 1\n"));
  CHECK(run(rig, {"session", "audio", name, "test", "unmute"}).exit_code == 0);
  CHECK(run(rig, {"session", "audio", name, "test", "--", "-20dB"}).exit_code == 0);
  rig.wait_for(name, [](const SessionView& one) {
    const double peak = value_of<double>(one.audio_tracks[0], "peak");
    return !value_of<bool>(one.audio_sources[0], "muted") && peak < -25 && peak > -40;
  });

  const Answer unknown = run(rig, {"session", "audio", name, "mic", "mute"});
  CHECK(unknown.exit_code != 0);
  CHECK(unknown.has("change the volume of mic: the session's sources of sound are test"));
  const Answer wrong = run(rig, {"session", "audio", name, "test", "loud"});
  CHECK(wrong.exit_code == 2);
  CHECK(wrong.has("'loud' is not a volume from -60dB to 20dB, such as -6dB, nor mute or unmute"));
  const auto loud = rig.client().set_volume(name, "test", 21);
  REQUIRE_FALSE(loud);
  CHECK(loud.error().kind == ErrorKind::Invalid);

  const auto report = rig.client().stop(name);
  REQUIRE(report);
  const auto json = nlohmann::json::parse(*report);
  REQUIRE(json["audio"].size() == 1);
  CHECK(json["audio"][0]["sources"] == nlohmann::json{"test"});
  check_file(rig.path("talk.mkv"));
}

TEST_CASE("a silent session has no sound to change") {
  DaemonRig rig;
  const std::string name = rig.start("still.mkv");
  const auto muted = rig.client().set_muted(name, "mic", true);
  REQUIRE_FALSE(muted);
  CHECK(muted.error().kind == ErrorKind::Unsupported);
  CHECK(muted.error().message().find("the session has no sound") != std::string::npos);
}
