// The portal source: session and stream as one, restore tokens, what the log says. The stream is a test source.
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "capture/portal_source.h"
#include "capture/test_source.h"
#include "integration/portal/log_listener.h"
#include "integration/portal/portal_stand_in.h"
#include "support/private_bus.h"
#include "support/recording_listener.h"

using namespace zc;
using namespace zc::test;

namespace {

struct Rig {
  std::unique_ptr<PrivateBus> bus;
  std::vector<PipeWireTarget> targets;
  std::string description;

  Rig() {
    auto started = PrivateBus::start();
    REQUIRE(started);
    bus = std::move(*started);
  }
  [[nodiscard]] RestoreTokens tokens() const { return RestoreTokens(bus->folder() / "state" / "restore-tokens"); }
  [[nodiscard]] PortalSourceOptions options() {
    PortalSourceOptions options;
    options.type = PortalType::Monitor;
    options.tokens = tokens();
    options.make_stream = [this](PipeWireTarget target, const std::string& kind, std::string what,
                                 const std::stop_token& /*stop*/) {
      CHECK(kind == "portal");
      targets.push_back(std::move(target));
      description = std::move(what);
      TestSpec spec;
      spec.size = {64, 48};
      spec.rate = {200, 1};
      return make_test_source(spec);
    };
    return options;
  }
};

FormatOffer offer() {
  FormatOffer offer;
  offer.formats.push_back({PixelFormat::BGRx, {}});
  return offer;
}

PortalScript with_token(std::string token) {
  PortalScript script;
  script.restore_token = std::move(token);
  return script;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

const RestoreKey kKey{"monitor", "default"};

}  // namespace

TEST_CASE("a portal source streams what the user granted") {
  Rig rig;
  const auto portal = PortalStandIn::start(with_token("token-1"));
  REQUIRE(portal);
  const auto source = make_portal_source(rig.options());
  CHECK(source->info().kind == "portal");
  CHECK(source->stats().delivered == 0);
  CHECK_FALSE(source->renegotiate(offer()));
  RecordingListener listener;
  REQUIRE(source->start(offer(), listener));
  CHECK_FALSE(source->start(offer(), listener));
  REQUIRE(rig.targets.size() == 1);
  CHECK(std::get<PipeWireTarget::NodeId>(rig.targets[0].node).id == 42);
  CHECK(rig.targets[0].remote);
  CHECK(rig.description == "monitor DP-1 (1920x1080 at 100,-50) through the desktop portal");
  REQUIRE(listener.wait_pictures(2));
  CHECK(source->renegotiate(offer()));
  source->stop();
  CHECK(source->stats().delivered == listener.pictures());
  CHECK(source->info().size == Size{64, 48});
  CHECK_FALSE(listener.error());
  CHECK(portal->wait([](const PortalSeen& seen) { return seen.closed == std::vector{seen.session}; }));
  source->stop();
  const auto kept = rig.tokens().find(kKey).value();
  REQUIRE(kept);
  CHECK(kept->token == "token-1");
  CHECK(kept->identity.mapping_id == "DP-1");
}

TEST_CASE("what was granted once is restored, checked and said") {
  Rig rig;
  LogListener said;
  RestoreToken before{"token-1", {}};
  before.identity.size = Size{1920, 1080};
  before.identity.position = Point{100, -50};
  const auto run = [&](PortalSourceOptions options, PortalScript script) {
    const auto portal = PortalStandIn::start(std::move(script));
    REQUIRE(portal);
    const auto source = make_portal_source(std::move(options));
    RecordingListener listener;
    REQUIRE(source->start(offer(), listener));
    source->stop();
    return portal->seen().select_options;
  };
  SECTION("the same monitor") {
    REQUIRE(rig.tokens().store(kKey, before));
    const auto sent = run(rig.options(), with_token("token-2"));
    CHECK(sent.at("restore_token") == "token-1");
    CHECK(sent.at("persist_mode") == "2");
    CHECK(rig.tokens().find(kKey).value()->token == "token-2");
    const std::string log = said.take();
    CHECK(contains(log, "info: restored monitor DP-1 (1920x1080 at 100,-50)"));
    CHECK_FALSE(contains(log, "token-"));
  }
  SECTION("another monitor") {
    before.identity.position = Point{0, 0};
    REQUIRE(rig.tokens().store(kKey, before));
    run(rig.options(), with_token("token-2"));
    CHECK(contains(said.take(),
                   "warning: asked the desktop to restore monitor (1920x1080 at 0,0), but monitor DP-1 (1920x1080 at "
                   "100,-50) came"));
  }
  SECTION("the same monitor in another mode") {
    before.identity.size = Size{3840, 2160};
    REQUIRE(rig.tokens().store(kKey, before));
    run(rig.options(), with_token("token-2"));
    CHECK(contains(said.take(), "info: restored monitor DP-1 (1920x1080 at 100,-50); last time it was monitor (3840x"));
  }
  SECTION("a token that was used up and not renewed is forgotten") {
    REQUIRE(rig.tokens().store(kKey, before));
    run(rig.options(), {});
    CHECK(rig.tokens().find(kKey).value() == std::nullopt);
  }
  SECTION("a portal without tokens does not use one up") {
    REQUIRE(rig.tokens().store(kKey, before));
    PortalScript script;
    script.version = 3;
    run(rig.options(), script);
    CHECK(rig.tokens().find(kKey).value() == before);
  }
  SECTION("each slot has its own") {
    REQUIRE(rig.tokens().store(kKey, before));
    PortalSourceOptions options = rig.options();
    options.slot = "left";
    const auto sent = run(std::move(options), with_token("token-2"));
    CHECK_FALSE(sent.contains("restore_token"));
    CHECK(rig.tokens().find(kKey).value() == before);
    CHECK(rig.tokens().find({"monitor", "left"}).value()->token == "token-2");
    CHECK(contains(said.take(), "info: the desktop granted monitor DP-1"));
  }
  SECTION("not at all when it is not wanted") {
    REQUIRE(rig.tokens().store(kKey, before));
    PortalSourceOptions options = rig.options();
    options.persist = Persist::Never;
    const auto sent = run(std::move(options), {});
    CHECK(sent.at("persist_mode") == "0");
    CHECK_FALSE(sent.contains("restore_token"));
    CHECK(rig.tokens().find(kKey).value() == before);
  }
  SECTION("a file in the way costs the dialog, not the capture") {
    REQUIRE(::mkdir((rig.bus->folder() / "state").c_str(), 0700) == 0);
    REQUIRE(::mkdir(rig.tokens().file().c_str(), 0700) == 0);
    run(rig.options(), with_token("token-2"));
    const std::string log = said.take();
    CHECK(contains(log, "warning: the desktop will ask again"));
    CHECK_FALSE(contains(log, "token-2"));
  }
}

TEST_CASE("a token may live in the process alone") {
  Rig rig;
  const auto portal = PortalStandIn::start(with_token("token-1"));
  REQUIRE(portal);
  PortalSourceOptions options = rig.options();
  options.persist = Persist::WhileRunning;
  const auto source = make_portal_source(std::move(options));
  RecordingListener listener;
  REQUIRE(source->start(offer(), listener));
  CHECK(portal->seen().select_options.at("persist_mode") == "1");
  CHECK_FALSE(portal->seen().select_options.contains("restore_token"));
  source->stop();
  REQUIRE(source->start(offer(), listener));
  CHECK(portal->seen().select_options.at("restore_token") == "token-1");
  source->stop();
  CHECK(rig.tokens().find(kKey).value() == std::nullopt);
}

TEST_CASE("the desktop ends the capture") {
  Rig rig;
  const auto portal = PortalStandIn::start({});
  REQUIRE(portal);
  const auto source = make_portal_source(rig.options());
  RecordingListener listener;
  REQUIRE(source->start(offer(), listener));
  REQUIRE(listener.wait_pictures(1));
  portal->close_session();
  REQUIRE(listener.wait_state(SourceState::Ended));
  const std::uint64_t pictures = listener.pictures();
  REQUIRE(listener.error());
  CHECK(listener.error()->kind == ErrorKind::Denied);
  CHECK(contains(listener.error()->message(), "the desktop ended the capture"));
  // The stream itself would go on.
  const std::uint64_t delivered = source->stats().delivered;
  while (source->stats().delivered < delivered + 5) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(listener.pictures() == pictures);
  source->stop();
  CHECK(listener.states().back() == SourceState::Ended);
}

TEST_CASE("the stream ends") {
  Rig rig;
  const auto portal = PortalStandIn::start({});
  REQUIRE(portal);
  PortalSourceOptions options = rig.options();
  options.make_stream = [](PipeWireTarget, const std::string&, const std::string&, const std::stop_token&) {
    TestSpec spec;
    spec.frames = 1;
    return make_test_source(spec);
  };
  const auto source = make_portal_source(std::move(options));
  RecordingListener listener;
  REQUIRE(source->start(offer(), listener));
  REQUIRE(listener.wait_state(SourceState::Ended));
  portal->close_session();  // the desktop notices too: no second end
  source->stop();
  CHECK(listener.error()->kind == ErrorKind::Cancelled);
  CHECK(std::ranges::count(listener.states(), SourceState::Ended) == 1);
}

TEST_CASE("a stream that does not start takes the session with it") {
  Rig rig;
  const auto portal = PortalStandIn::start({});
  REQUIRE(portal);
  const auto source = make_portal_source(rig.options());
  RecordingListener listener;
  FormatOffer impossible = offer();
  impossible.shared_memory = false;
  const auto started = source->start(impossible, listener);
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == ErrorKind::Unsupported);
  CHECK(portal->wait([](const PortalSeen& seen) { return seen.closed == std::vector{seen.session}; }));
  CHECK(listener.states().empty());
  CHECK(source->start(offer(), listener));  // and may be tried again
  source->stop();                           // before the listener goes
}
