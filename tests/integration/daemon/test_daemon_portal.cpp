// What the desktop's user decides, seen through the daemon: the portal is a stand-in, PipeWire and the pictures are
// real.
#include "integration/daemon/daemon_rig.h"
#include "integration/daemon/signal_log.h"
#include "integration/portal/portal_stand_in.h"
#include "support/private_pipewire.h"
#include "support/test_producer.h"

#include <algorithm>

using namespace zc;
using namespace zc::test;

namespace {

struct Desktop {
  Desktop() {
    auto started = PrivatePipeWire::start();
    REQUIRE(started);
    pipewire = *std::move(started);
    produce();
  }
  static std::unique_ptr<TestProducer> made() {
    ProducerOptions options;
    options.rate = {15, 1};
    auto made = TestProducer::create(options);
    REQUIRE(made);
    return *std::move(made);
  }
  void produce() { producer = made(); }
  /// A portal that grants the producer's node, or answers Start with another code.
  void open_portal(std::uint32_t code = 0) {
    PortalScript script;
    script.restore_token = "a-token";
    script.start.code = code;
    script.node = producer->node_id();
    script.remote = [this] {
      auto socket = pipewire->connect();
      return socket ? *std::move(socket) : UniqueFd();
    };
    if (second) {
      script.streams = {
          {.node = producer->node_id(), .size = {320, 180}, .position = Point{0, 0}, .mapping_id = "DP-1"},
          {.node = second->node_id(), .size = {320, 180}, .position = Point{320, 0}, .mapping_id = "DP-2"}};
    }
    portal = PortalStandIn::start(script);
    REQUIRE(portal);
  }
  [[nodiscard]] std::ptrdiff_t asked() const {
    const auto methods = portal->seen().methods;
    return std::ranges::count(methods, "Start");
  }

  std::unique_ptr<PrivatePipeWire> pipewire;
  std::unique_ptr<TestProducer> producer;
  std::unique_ptr<TestProducer> second;  ///< granted as well, if there is one
  std::unique_ptr<PortalStandIn> portal;
};

/// Waits for the end, which is nobody's to repeat, and reads what is in the file.
void expect_denied(DaemonRig& rig, const Desktop& desktop, const std::string& name, std::string_view why) {
  const SessionView over = rig.wait_for_state(name, "failed");
  CHECK(over.error.find(why) != std::string::npos);
  CHECK(figure(over, "worker_restarts") == 0);
  CHECK(desktop.asked() == 1);
  CHECK(check_file(rig.path("portal.mkv")).frames >= 15);
  CHECK_FALSE(std::filesystem::exists(rig.path("portal-2.mkv")));
}

}  // namespace

TEST_CASE("the desktop ends the capture, or its window is closed: the session is over, its file complete") {
  Desktop desktop;
  DaemonRig rig("", {"env", "XDG_STATE_HOME={}"});
  desktop.open_portal();
  SignalLog signals;
  const std::string name = rig.start("portal.mkv", {{"source", std::string("portal:monitor"), {}}});
  rig.wait_for(name, [](const SessionView& one) { return figure(one, "frames_captured") >= 20; });
  desktop.portal->close_session();
  expect_denied(rig, desktop, name, "the desktop ended the capture");
  const auto told = signals.wait_for("StateChanged", [](const auto& one) { return one.arguments[1] == "failed"; });
  CHECK(told.arguments[2].find("the desktop ended the capture") != std::string::npos);
}

TEST_CASE("asked again after an outage the user says no: that ends it") {
  Desktop desktop;
  DaemonRig rig("", {"env", "XDG_STATE_HOME={}"});
  desktop.open_portal();
  const std::string name = rig.start("portal.mkv", {{"source", std::string("portal:monitor"), {}}});
  rig.wait_for(name, [](const SessionView& one) { return figure(one, "frames_captured") >= 20; });
  desktop.portal.reset();
  desktop.producer.reset();
  rig.wait_for_state(name, "reconnecting");
  desktop.produce();
  desktop.open_portal(1);
  expect_denied(rig, desktop, name, "declined");
  CHECK(desktop.portal->seen().select_options["restore_token"] == "a-token");  // it was not for want of it
}

TEST_CASE("of two monitors one is unplugged: the session goes on; when both are, it waits and has both again") {
  Desktop desktop;
  DaemonRig rig("", {"env", "XDG_STATE_HOME={}"});
  desktop.second = Desktop::made();
  desktop.open_portal();
  const std::string name = rig.start("portal.mkv", {{"source", std::string("portal:monitor,multiple"), {}}});
  const auto captures = [&](double more) {
    const double before = figure(rig.wait_for_state(name, "recording"), "frames_captured");
    return rig.wait_for(name, [&](const SessionView& one) { return figure(one, "frames_captured") >= before + more; });
  };
  const SessionView both = captures(20);
  CHECK(both.width == 640);
  CHECK(both.height == 180);
  desktop.second.reset();
  const SessionView one = captures(20);
  CHECK(one.width == 640);
  CHECK(one.state == "recording");
  desktop.portal.reset();
  desktop.producer.reset();
  rig.wait_for_state(name, "reconnecting");
  desktop.produce();
  desktop.second = Desktop::made();
  desktop.open_portal();
  captures(20);
  CHECK(desktop.portal->seen().select_options["multiple"] == "true");
  CHECK(desktop.portal->seen().select_options["restore_token"] == "a-token");
  REQUIRE(rig.client().stop(name));
}
