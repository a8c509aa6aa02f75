// What the daemon does when it is asked, with real sessions of the test pattern.
#include "integration/daemon/daemon_rig.h"
#include "support/temporary_folder.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <set>

using namespace zc;
using namespace zc::test;

TEST_CASE("a session records until it is stopped, and says what it did") {
  DaemonRig rig;
  const std::string name = rig.start("plain.mkv", {{"name", std::string("plain"), {}}});
  CHECK(name == "plain");
  const SessionView session =
      rig.wait_for(name, [](const SessionView& one) { return figure(one, "encoder_frames") >= 30; });
  CHECK(session.encoder == "libx264");
  CHECK(session.route == "cpu");
  CHECK(session.codec == "h264");
  CHECK(session.width == 320);
  CHECK(session.height == 180);
  CHECK(session.sinks == std::vector{rig.path("plain.mkv")});
  CHECK(session.error.empty());
  REQUIRE(session.sink_statistics.size() == 1);
  const auto report = rig.client().stop(name);
  REQUIRE(report);
  const auto json = nlohmann::json::parse(*report);
  CHECK(json["end"] == "stopped");
  CHECK(check_file(rig.path("plain.mkv")).frames == json["frames"]);
  CHECK(rig.client().sessions()->empty());
}

TEST_CASE("what was asked wrongly is told in one line, and nothing is left behind") {
  DaemonRig rig("[daemon]\nmax-sessions = 2\nmax-sinks = 2\n");
  const auto refused = [&](std::vector<Setting> options) {
    const auto name = rig.client().start(options);
    REQUIRE_FALSE(name);
    return name.error();
  };
  const Setting sink{"sinks", std::vector{rig.path("a.mkv")}, {}};
  const Setting source{"source", std::string("test"), {}};
  CHECK(refused({sink, {"codek", std::string("h264"), {}}}).detail.find("there are sinks, live,") != std::string::npos);
  CHECK(refused({sink, {"codec", std::string("h265"), {}}}).kind == ErrorKind::Invalid);
  CHECK(refused({{"sinks", std::vector<std::string>{"relative.mkv"}, {}}}).kind == ErrorKind::Invalid);
  CHECK(refused({sink, source, {"name", std::string("a/b"), {}}}).kind == ErrorKind::Invalid);
  CHECK(refused({{"template", std::string("none"), {}}}).kind == ErrorKind::NotFound);
  CHECK(refused({source, {"sinks", std::vector{rig.path("1.mkv"), rig.path("2.mkv"), rig.path("3.mkv")}, {}}}).kind ==
        ErrorKind::Busy);
  CHECK_FALSE(std::filesystem::exists(rig.path("a.mkv")));
  CHECK(rig.client().session("nobody").error().kind == ErrorKind::NotFound);

  // What only shows when the session begins is told by its state.
  const auto nowhere = rig.client().start({{"sinks", std::vector{rig.path("nowhere/a.mkv")}, {}}, source});
  REQUIRE(nowhere);
  CHECK(rig.wait_for_state(*nowhere, "failed").error.find("nowhere/a.mkv") != std::string::npos);

  const auto label =
      rig.client().start({{"sinks", std::vector{rig.path("pq.mkv")}, {}}, source, {"transfer", std::string("pq"), {}}});
  REQUIRE(label);
  CHECK(rig.wait_for_state(*label, "failed").error.find("cannot be recorded as pq; valid are") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(rig.path("pq.mkv")));

  const std::string first = rig.start("first.mkv", {{"name", std::string("twice"), {}}});
  CHECK(refused({sink, source, {"name", std::string("twice"), {}}}).kind == ErrorKind::Busy);
  rig.start("second.mkv");
  CHECK(refused({sink, source}).detail.find("max-sessions") != std::string::npos);
  CHECK(rig.client().call(first, "AddSink", "relative.mkv").error().kind == ErrorKind::Invalid);
  CHECK(rig.client().call(first, "RemoveSink", rig.path("other.mkv")).error().kind == ErrorKind::NotFound);
  CHECK(rig.client().call(first, "SaveReplay", rig.path("r.mkv")).error().kind == ErrorKind::Unsupported);
  // Refused as a whole, with what can be changed.
  const auto fixed = rig.client().reconfigure(
      first, {{"bitrate", std::string("2M"), {}}, {"codec", std::string("hevc"), {}}, {"fps", std::string("10"), {}}});
  REQUIRE_FALSE(fixed);
  CHECK(fixed.error().kind == ErrorKind::Invalid);
  CHECK(fixed.error().detail.find("bitrate, fps, min-fps and replay-seconds can, sinks have") != std::string::npos);
  CHECK(rig.client().reconfigure(first, {{"bitrate", std::string("2M"), {}}}).error().kind == ErrorKind::Unsupported);
}

TEST_CASE("sinks come and go, a replay is saved, and a pause is a cut") {
  DaemonRig rig;
  const std::string name = rig.start("main.mkv", {{"replay-seconds", std::int64_t{30}, {}},
                                                  {"preset", std::string("low-latency"), {}},
                                                  {"bitrate", std::string("1M"), {}},
                                                  {"fps", std::string("30"), {}}});
  REQUIRE(rig.client().call(name, "AddSink", rig.path("second.mp4")));
  CHECK(rig.client().call(name, "AddSink", rig.path("second.mp4")).error().kind == ErrorKind::Invalid);
  rig.wait_for(name, [](const SessionView& one) {
    return std::ranges::any_of(one.sink_statistics, [](const std::vector<Setting>& sink) {
      return std::get<std::string>(sink.front().value).ends_with("second.mp4") &&
             std::get<std::int64_t>(sink[2].value) >= 20;
    });
  });
  REQUIRE(rig.client().reconfigure(name, {{"bitrate", std::int64_t{500'000}, {}}, {"fps", std::string("15"), {}}}));
  REQUIRE(rig.client().call(name, "RequestKeyframe"));
  CHECK(rig.client().call(name, "RemoveSink", "3").error().kind == ErrorKind::NotFound);
  REQUIRE(rig.client().call(name, "RemoveSink", "2"));  // its number
  CHECK(check_file(rig.path("second.mp4")).frames >= 20);
  CHECK(rig.client().session(name)->sinks.size() == 1);

  const auto saved = rig.client().call(name, "SaveReplay", rig.path("replay.mkv"));
  REQUIRE(saved);
  CHECK(*saved == rig.path("replay.mkv"));
  CHECK(check_file(*saved).frames >= 20);
  CHECK_FALSE(rig.client().call(name, "SaveReplay", rig.path("replay.mkv")));  // it exists

  REQUIRE(rig.client().call(name, "Pause"));
  const SessionView paused = rig.wait_for_state(name, "paused");
  const double frames = figure(rig.wait_for(name, [](const SessionView&) { return true; }), "encoder_frames");
  REQUIRE(rig.client().call(name, "Resume"));
  rig.wait_for_state(name, "recording");
  rig.wait_for(name, [&](const SessionView& one) { return figure(one, "encoder_frames") >= frames + 10; });
  REQUIRE(rig.client().stop(name));
  check_file(rig.path("main.mkv"));
}

TEST_CASE("a template's file is there every day: by its pattern, or beside the ones before") {
  DaemonRig rig;
  rig.write_config("[sessions.daily]\nsource = \"test:320x180@30\"\nsinks = [\"" + rig.path("fixed.mkv") + "\", \"" +
                   rig.path("{name}_{n}_%Y.ts") + "\"]\n");
  REQUIRE(rig.client().reload());
  std::set<std::string> files;
  for (int day = 0; day < 3; ++day) {
    REQUIRE(rig.client().start({{"template", std::string("daily"), {}}}));
    const SessionView view =
        rig.wait_for("daily", [](const SessionView& one) { return figure(one, "encoder_frames") >= 1; });
    for (const std::string& sink : view.sinks) files.insert(sink);
    REQUIRE(rig.client().stop("daily"));
  }
  CHECK(files.size() == 6);
  CHECK(files.contains(rig.path("fixed.mkv")));
  CHECK(files.contains(rig.path("fixed-3.mkv")));
  for (const std::string& file : files) {
    CAPTURE(file);
    CHECK(check_file(file).frames >= 1);
  }
  // What is typed is taken at its word.
  const auto typed =
      rig.client().start({{"template", std::string("daily"), {}}, {"sinks", std::vector{rig.path("fixed.mkv")}, {}}});
  REQUIRE(typed);
  CHECK(rig.wait_for_state(*typed, "failed").error.find("exists") != std::string::npos);
  const auto wrong = rig.client().start({{"sinks", std::vector{rig.path("100%.mkv")}, {}}});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().kind == ErrorKind::Invalid);
}

TEST_CASE("a session without a sink has a file among the videos") {
  const TemporaryFolder home;
  ::setenv("HOME", home.path().c_str(), 1);
  ::setenv("XDG_CONFIG_HOME", home.file("config").c_str(), 1);
  DaemonRig rig;
  const auto name = rig.client().start({{"source", std::string("test:320x180@30"), {}}});
  REQUIRE(name);
  const SessionView view =
      rig.wait_for(*name, [](const SessionView& one) { return figure(one, "encoder_frames") >= 1; });
  REQUIRE(view.sinks.size() == 1);
  CHECK(view.sinks.front().starts_with(home.file("Videos/zerocast/")));
  REQUIRE(rig.client().stop(*name));
  CHECK(check_file(view.sinks.front()).frames >= 1);
}

TEST_CASE("a change that the encoder refuses is an error, and is not remembered") {
  DaemonRig rig;
  const std::string name = rig.start("cbr.mp4", {{"encoder", std::string("libx264"), {}},
                                                 {"rate-control", std::string("cbr"), {}},
                                                 {"bitrate", std::string("1M"), {}}});
  rig.wait_for(name, [](const SessionView& one) { return figure(one, "encoder_frames") >= 1; });
  const auto refused = rig.client().reconfigure(name, {{"bitrate", std::string("500k"), {}}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Unsupported);
  CHECK(refused.error().detail.find("MP4") != std::string::npos);
  // Once no file is in the way.
  REQUIRE(rig.client().call(name, "AddSink", rig.path("cbr.mkv")));
  REQUIRE(rig.client().call(name, "RemoveSink", rig.path("cbr.mp4")));
  CHECK(rig.client().reconfigure(name, {{"bitrate", std::string("500k"), {}}}));
  REQUIRE(rig.client().stop(name));
  check_file(rig.path("cbr.mp4"));
  check_file(rig.path("cbr.mkv"));
}

TEST_CASE("the least rate and the replay's length change as a session runs, by a call or the configuration") {
  DaemonRig rig;
  const auto configure = [&](const std::string& changing) {
    rig.write_config("[sessions.still]\nsource = \"test:320x180@1\"\nsinks = [\"" + rig.path("still.mkv") + "\"]\n" +
                     changing);
    REQUIRE(rig.client().reload());
  };
  configure("min-fps = 1\nreplay-seconds = 600\n");
  REQUIRE(rig.client().start({{"template", std::string("still"), {}}}));
  rig.wait_for_state("still", "recording");
  const auto comes_faster = [&] {
    const double before = figure(rig.wait_for("still", [](const SessionView&) { return true; }), "encoder_frames");
    rig.wait_for("still", [&](const SessionView& one) { return figure(one, "encoder_frames") >= before + 60; });
  };
  REQUIRE(rig.client().reconfigure("still", {{"min-fps", std::int64_t{30}, {}}, {"replay-seconds", 2.5, {}}}));
  comes_faster();
  REQUIRE(rig.client().reconfigure("still", {{"min-fps", std::int64_t{0}, {}}}));
  configure("min-fps = 25\nreplay-seconds = 1\n");
  comes_faster();
  CHECK(rig.client().reconfigure("still", {{"min-fps", std::string("often"), {}}}).error().kind == ErrorKind::Invalid);
  REQUIRE(rig.client().stop("still"));
  CHECK(check_file(rig.path("still.mkv")).frames >= 120);

  const std::string constant = rig.start("constant.mkv", {{"fps", std::string("30"), {}}});
  for (const char* name : {"min-fps", "replay-seconds"}) {
    CHECK(rig.client().reconfigure(constant, {{name, std::int64_t{5}, {}}}).error().kind == ErrorKind::Unsupported);
  }
}

TEST_CASE("templates start by their name and by themselves") {
  DaemonRig rig;
  const std::string config = "[sessions.auto]\nautostart = true\nsource = \"test:320x180@30\"\nsinks = [\"" +
                             rig.path("auto.mkv") + "\"]\n[sessions.other]\nsource = \"test:320x180@30\"\n";
  rig.write_config(config);
  REQUIRE(rig.client().reload());
  CHECK(rig.client().sessions()->empty());
  rig.process().end();
  rig.start_daemon();
  rig.wait_for_state("auto", "recording");
  const auto other =
      rig.client().start({{"template", std::string("other"), {}}, {"sinks", std::vector{rig.path("other.mkv")}, {}}});
  REQUIRE(other);
  CHECK(*other == "other");
  rig.wait_for_state("other", "recording");
  REQUIRE(rig.client().stop("auto"));
  check_file(rig.path("auto.mkv"));
}

TEST_CASE("a wrong configuration is refused whole, and a file that changes is read") {
  DaemonRig rig("[daemon]\nmax-sessions = 3\n");
  rig.write_config("[daemon]\nmax-sesions = 3\n");
  const auto wrong = rig.client().reload();
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message().find("zerocast.toml:2:1") != std::string::npos);
  CHECK(wrong.error().message().find("max-sessions") != std::string::npos);
  rig.write_config("[sessions.bad]\nsinks = [\"/tmp/a.mkv\"]\ncodec = \"h265\"\n");
  CHECK_FALSE(rig.client().reload());
  rig.write_config("[sessions.good]\nsource = \"test\"\nsinks = [\"" + rig.path("good.mkv") + "\"]\n");
  CHECK(eventually([&] {  // by itself
    const auto name = rig.client().start({{"template", std::string("good"), {}}});
    return name.has_value();
  }));
}

TEST_CASE("eight sessions at once, and all files are complete after SIGTERM") {
  DaemonRig rig;
  std::vector<std::string> files;
  for (int i = 0; i < 8; ++i) {
    files.push_back("file" + std::to_string(i) + ".mkv");
    rig.start(files.back(),
              {{"preset", std::string("low-latency"), {}}, {"source", std::string("test:160x90@10"), {}}});
  }
  CHECK(rig.client().sessions()->size() == 8);
  rig.process().end();
  for (const std::string& file : files) CHECK(check_file(rig.path(file)).frames >= 1);
}

TEST_CASE("sessions come and go, and the daemon stays as it was") {
  // ZEROCAST_CYCLES=500 is what tools/test --all runs.
  const char* wanted = std::getenv("ZEROCAST_CYCLES");
  const int cycles = wanted == nullptr ? 30 : std::atoi(wanted);
  DaemonRig rig;
  const auto cycle = [&](int number) {
    const auto name = rig.client().start({{"source", std::string("test:160x90@10"), {}},
                                          {"sinks", std::vector{rig.path(std::to_string(number) + ".mkv")}, {}}});
    REQUIRE(name);
    REQUIRE(rig.client().stop(*name));
  };
  for (int i = 0; i < 10; ++i) cycle(i);
  const std::uint64_t files = rig.open_files();
  const std::uint64_t memory = rig.resident_kib();
  for (int i = 10; i < 10 + cycles; ++i) cycle(i);
  CHECK(eventually([&] { return rig.open_files() <= files; }));
  if (kMemoryCounts) CHECK(rig.resident_kib() <= memory + 1024);
  CHECK(rig.client().sessions()->empty());
}
