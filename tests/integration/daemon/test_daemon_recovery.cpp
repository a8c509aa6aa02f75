// Real processes really killed.
#include "integration/daemon/daemon_rig.h"
#include "integration/daemon/logind_stand_in.h"
#include "support/private_pipewire.h"
#include "support/test_producer.h"

#include <nlohmann/json.hpp>

#include <csignal>

using namespace zc;
using namespace zc::test;

TEST_CASE("a session whose process is killed goes on in another file") {
  DaemonRig rig;
  const std::string name = rig.start("killed.mkv");
  rig.wait_for(name, [](const SessionView& one) { return figure(one, "encoder_frames") >= 40; });
  REQUIRE(::kill(process_of(name), SIGKILL) == 0);
  const SessionView back = rig.wait_for(name, [](const SessionView& one) {
    return one.state == "recording" && figure(one, "worker_restarts") == 1 && figure(one, "encoder_frames") >= 10;
  });
  REQUIRE(rig.client().stop(name));
  // A file that was cut off plays to where it was written out.
  auto cut = Decoder::open(rig.path("killed.mkv"));
  REQUIRE(cut);
  CHECK(check_frames(std::move(*cut), {})->frames >= 1);
  CHECK(check_file(rig.path("killed-2.mkv")).frames >= 10);
}

TEST_CASE("a session whose process dies again and again has failed, and the daemon has not") {
  DaemonRig rig;
  const std::string name = rig.start("again.mkv");
  const bool failed = eventually([&] {
    const auto session = rig.client().session(name);
    if (session && session->state == "failed") return true;
    if (const pid_t process = process_of(name); process > 0) ::kill(process, SIGKILL);
    return false;
  });
  CHECK(failed);
  CHECK(rig.client().session(name)->error.find("SIGKILL") != std::string::npos);
  rig.start("other.mkv");
}

TEST_CASE("a session whose process hangs is ended and begins anew") {
  DaemonRig rig;
  const std::string name = rig.start("hang.mkv");
  rig.wait_for(name, [](const SessionView& one) { return figure(one, "encoder_frames") >= 20; });
  REQUIRE(::kill(process_of(name), SIGSTOP) == 0);
  rig.wait_for(name, [](const SessionView& one) {
    return one.state == "recording" && figure(one, "worker_restarts") == 1 && figure(one, "encoder_frames") >= 10;
  });
  REQUIRE(rig.client().stop(name));
  CHECK(check_file(rig.path("hang-2.mkv")).frames >= 10);
}

TEST_CASE("a session whose process hangs before its first picture is ended and begins anew") {
  auto pipewire = PrivatePipeWire::start();
  REQUIRE(pipewire);
  auto producer = TestProducer::create({});
  REQUIRE(producer);
  (*producer)->fall_silent(Silence::ForEver);
  DaemonRig rig;
  const auto name = rig.client().start(
      {{"source", std::string("node:zerocast-test"), {}}, {"sinks", std::vector{rig.path("early.mkv")}, {}}});
  REQUIRE(name);
  rig.wait_for(*name, [](const SessionView& one) { return figure(one, "process_resident_bytes") > 0; });
  REQUIRE(::kill(process_of(*name), SIGSTOP) == 0);
  rig.wait_for(*name, [](const SessionView& one) { return figure(one, "worker_restarts") == 1; });
  (*producer)->fall_silent(Silence::None);
  rig.wait_for(*name,
               [](const SessionView& one) { return one.state == "recording" && figure(one, "encoder_frames") >= 10; });
}

TEST_CASE("the machine sleeps and wakes up: nothing is recorded meanwhile, and the same file goes on") {
  LogindStandIn logind;
  DaemonRig rig;
  REQUIRE(eventually([&] { return logind.inhibitors() == 1; }));
  const std::string name = rig.start("sleep.mkv");
  rig.wait_for(name, [](const SessionView& one) { return figure(one, "encoder_frames") >= 20; });
  logind.prepare_for_sleep(true);
  rig.wait_for_state(name, "paused");
  CHECK(eventually([&] { return logind.inhibitors() == 0; }));  // now it may sleep
  logind.prepare_for_sleep(false);
  const SessionView awake = rig.wait_for_state(name, "recording");
  const double frames = figure(awake, "encoder_frames");
  rig.wait_for(name, [&](const SessionView& one) { return figure(one, "encoder_frames") >= frames + 10; });
  CHECK(eventually([&] { return logind.inhibitors() == 1; }));
  REQUIRE(rig.client().stop(name));
  check_file(rig.path("sleep.mkv"));
}

TEST_CASE("a daemon that is killed leaves complete files, and the next one begins anew") {
  DaemonRig rig;
  const std::string name = rig.start("orphan.mkv");
  rig.wait_for(name, [](const SessionView& one) { return figure(one, "encoder_frames") >= 30; });
  const pid_t session = process_of(name);
  rig.process().end(/*kill_at_once=*/true);
  CHECK(eventually([&] { return ::kill(session, 0) != 0; }));
  CHECK(check_file(rig.path("orphan.mkv")).frames >= 30);
  rig.start_daemon();
  CHECK(rig.client().sessions()->empty());
  rig.start("next.mkv");
}

TEST_CASE("the bus is restarted: sessions go on, and the daemon is there again") {
  DaemonRig rig;
  const std::string name = rig.start("bus.mkv");
  rig.bus().kill();
  REQUIRE(rig.bus().restart());
  rig.connect();
  const double frames = figure(*rig.client().session(name), "encoder_frames");
  rig.wait_for(name, [&](const SessionView& one) { return figure(one, "encoder_frames") >= frames + 10; });
  const auto report = rig.client().stop(name);
  REQUIRE(report);
  // A machine that is too busy leaves pictures out, and says how many.
  CHECK(check_file(rig.path("bus.mkv")).missing <= nlohmann::json::parse(*report)["dropped"]);
}

TEST_CASE("the source goes away and comes back, alone or with all of PipeWire: the same file goes on") {
  auto pipewire = PrivatePipeWire::start();
  REQUIRE(pipewire);
  ProducerOptions options;
  options.rate = {15, 1};
  auto producer = TestProducer::create(options);
  REQUIRE(producer);
  DaemonRig rig;
  const std::string name = rig.start("source.mkv", {{"source", std::string("node:zerocast-test"), {}}});
  const auto captures_on = [&](double reconnects) {
    rig.wait_for(name, [&](const SessionView& one) { return figure(one, "source_reconnects") >= reconnects; });
    const double frames = figure(*rig.client().session(name), "frames_captured");
    rig.wait_for(name, [&](const SessionView& one) { return figure(one, "frames_captured") >= frames + 15; });
  };
  captures_on(0);
  producer->reset();
  rig.wait_for_state(name, "reconnecting");
  producer = TestProducer::create(options);
  REQUIRE(producer);
  captures_on(1);

  (*pipewire)->kill_daemon();
  producer->reset();
  rig.wait_for_state(name, "reconnecting");
  REQUIRE((*pipewire)->restart());
  producer = TestProducer::create(options);
  REQUIRE(producer);
  captures_on(2);

  REQUIRE(rig.client().stop(name));
  auto decoder = Decoder::open(rig.path("source.mkv"));
  REQUIRE(decoder);
  const auto report = check_frames(std::move(*decoder), {});
  REQUIRE(report);
  CHECK(report->decode_errors == 0);
  CHECK(report->pts_not_rising == 0);
  CHECK(report->frames >= 45);
}

TEST_CASE("a source that is connected and says nothing: a new stream, then a new source, and the same file goes on") {
  auto pipewire = PrivatePipeWire::start();
  REQUIRE(pipewire);
  ProducerOptions options;
  options.rate = {15, 1};
  auto producer = TestProducer::create(options);
  REQUIRE(producer);
  DaemonRig rig;
  const std::string name =
      rig.start("silent.mkv", {{"source", std::string("node:zerocast-test"), {}}, {"silence-seconds", 1.0, {}}});
  const auto captures_on = [&] {
    const double frames = figure(*rig.client().session(name), "frames_captured");
    rig.wait_for(name, [&](const SessionView& one) { return figure(one, "frames_captured") >= frames + 15; });
  };
  captures_on();
  (*producer)->fall_silent(Silence::UntilNewStream);
  captures_on();
  CHECK(figure(*rig.client().session(name), "source_reconnects") == 0);

  (*producer)->fall_silent(Silence::ForEver);
  rig.wait_for(name, [&](const SessionView& one) { return figure(one, "source_reconnects") >= 1; });
  (*producer)->fall_silent(Silence::None);
  captures_on();

  REQUIRE(rig.client().stop(name));
  CHECK(check_file(rig.path("silent.mkv")).frames >= 45);
}
