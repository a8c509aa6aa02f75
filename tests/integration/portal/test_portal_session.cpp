// The portal client against the stand-in: the conversation as it should go, and every "no".
#include <sys/eventfd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "capture/portal_session.h"
#include "integration/portal/log_listener.h"
#include "integration/portal/portal_stand_in.h"
#include "support/private_bus.h"

using namespace zc;
using namespace zc::test;

namespace {

std::unique_ptr<PrivateBus> private_bus() {
  auto bus = PrivateBus::start();
  INFO((bus ? "" : bus.error().message()));
  REQUIRE(bus);
  return std::move(*bus);
}

std::unique_ptr<PortalStandIn> stand_in(PortalScript script = {}) {
  auto portal = PortalStandIn::start(std::move(script));
  REQUIRE(portal);
  return portal;
}

std::unique_ptr<PortalSession> granted(const PortalWish& wish = {}) {
  auto session = PortalSession::open(wish, {});
  INFO((session ? "" : session.error().message()));
  REQUIRE(session);
  return std::move(*session);
}

Error refused(const PortalWish& wish = {}, const std::stop_token& stop = {}) {
  const auto session = PortalSession::open(wish, stop);
  REQUIRE_FALSE(session);
  return session.error();
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Runs `act` on a thread of its own once the stand-in has got Start: that is while the dialog is up.
std::jthread when_asked(PortalStandIn& portal, std::function<void()> act) {
  return std::jthread([&portal, act = std::move(act)] {
    if (portal.wait([](const PortalSeen& seen) { return !seen.start_request.empty(); })) act();
  });
}

PortalScript silent_dialog() {
  PortalScript script;
  script.start.response = PortalStep::When::Never;
  return script;
}

}  // namespace

TEST_CASE("the user grants a monitor") {
  const auto bus = private_bus();
  PortalScript script;
  script.restore_token = "token-2";
  const auto portal = stand_in(script);
  {
    const auto session = granted({.type = PortalType::Monitor,
                                  .cursor = CursorMode::Metadata,
                                  .persist = Persist::UntilRevoked,
                                  .restore_token = "token-1"});
    PortalGrant& grant = session->grant();
    CHECK(grant.streams.front().node == 42);
    CHECK_FALSE(grant.streams.front().serial);
    CHECK(grant.asked_types == 1);
    CHECK(grant.cursor == CursorMode::Metadata);
    CHECK(grant.restore_token == "token-2");
    CHECK(grant.asked_to_restore);
    CHECK(grant.streams.front().identity.size == Size{1920, 1080});
    CHECK(grant.streams.front().identity.position == Point{100, -50});
    CHECK(grant.streams.front().identity.source_type == 1U);
    CHECK(grant.streams.front().identity.id == "stream-id");
    CHECK(grant.streams.front().identity.mapping_id == "DP-1");
    eventfd_t value = 0;
    CHECK(::eventfd_read(grant.streams.front().remote.get(), &value) == 0);
    CHECK(value == 4711);

    const PortalSeen seen = portal->seen();
    CHECK(seen.methods == std::vector<std::string>{"CreateSession", "SelectSources", "Start", "OpenPipeWireRemote"});
    auto options = seen.select_options;
    CHECK(options.erase("handle_token") == 1);
    CHECK(options == std::map<std::string, std::string>{{"types", "1"},
                                                        {"multiple", "false"},
                                                        {"cursor_mode", "4"},
                                                        {"persist_mode", "2"},
                                                        {"restore_token", "token-1"}});
    CHECK(seen.parent_window.empty());
    CHECK(seen.closed.empty());
  }
  CHECK(portal->wait([](const PortalSeen& seen) { return seen.closed == std::vector{seen.session}; }));
}

TEST_CASE("the portal is told who captures, before anything else, on every connection") {
  const auto bus = private_bus();
  const auto portal = stand_in();
  LogListener said;
  const auto first = granted();
  const auto second = granted();
  CHECK(portal->seen().app_ids == std::vector<std::string>(2, "org.zerocast.Zerocast"));
  CHECK_FALSE(contains(said.take(), "warning"));
}

TEST_CASE("a portal before 1.20 knows nothing of names, and nothing is said of it") {
  const auto bus = private_bus();
  PortalScript script;
  script.register_app.error =
      GENERATE("org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownInterface");
  const auto portal = stand_in(script);
  LogListener said;
  CHECK(granted()->grant().streams.front().node == 42);
  CHECK(portal->seen().app_ids.empty());
  CHECK_FALSE(contains(said.take(), "warning"));
}

TEST_CASE("a portal that does not take the name is told of once, and asked all the same") {
  const auto bus = private_bus();
  PortalScript script;
  script.register_app.error = "org.freedesktop.portal.Error.Failed";
  const auto portal = stand_in(script);
  LogListener said;
  CHECK(granted()->grant().streams.front().node == 42);
  const std::string text = said.take();
  CHECK(contains(text, "warning: the desktop portal does not know this program as org.zerocast.Zerocast"));
  CHECK(contains(text, "as the script says"));
  CHECK(granted()->grant().streams.front().node == 42);
  CHECK_FALSE(contains(said.take(), "warning"));
}

TEST_CASE("an old portal is asked only for what it knows") {
  const auto bus = private_bus();
  PortalScript script;
  const PortalWish wish{.persist = Persist::UntilRevoked, .restore_token = "token"};
  SECTION("version 1 has no cursor modes") {
    script.version = 1;
    const auto portal = stand_in(script);
    const auto session = granted(wish);
    const auto options = portal->seen().select_options;
    CHECK_FALSE(options.contains("cursor_mode"));
    CHECK_FALSE(options.contains("persist_mode"));
    CHECK_FALSE(options.contains("restore_token"));
    CHECK_FALSE(session->grant().cursor);
    CHECK_FALSE(session->grant().asked_to_restore);
  }
  SECTION("version 3 has no restore tokens") {
    script.version = 3;
    const auto portal = stand_in(script);
    const auto session = granted(wish);
    const auto options = portal->seen().select_options;
    CHECK(options.at("cursor_mode") == "2");
    CHECK_FALSE(options.contains("persist_mode"));
    CHECK_FALSE(options.contains("restore_token"));
    CHECK_FALSE(session->grant().asked_to_restore);
  }
  SECTION("a cursor mode it has not is replaced") {
    script.cursor_modes = 3;
    const auto portal = stand_in(script);
    CHECK(granted({.cursor = CursorMode::Metadata})->grant().cursor == CursorMode::Embedded);
    CHECK(portal->seen().select_options.at("cursor_mode") == "2");
  }
  SECTION("the request may be somewhere else") {
    script.create_session.other_path = true;
    script.select_sources.other_path = true;
    script.start.other_path = true;
    const auto portal = stand_in(script);
    CHECK(granted()->grant().streams.front().node == 42);
  }
}

TEST_CASE("a response may come before the method's answer") {
  const auto bus = private_bus();
  PortalScript script;
  const bool other_path = GENERATE(false, true);
  for (PortalStep* step : {&script.create_session, &script.select_sources, &script.start}) {
    step->response = PortalStep::When::BeforeReply;
    step->other_path = other_path;
  }
  const auto portal = stand_in(script);
  CHECK(granted()->grant().streams.front().node == 42);
}

TEST_CASE("the user says no") {
  const auto bus = private_bus();
  PortalScript script;
  script.start.code = 1;
  const auto portal = stand_in(script);
  const Error error = refused();
  CHECK(error.kind == ErrorKind::Denied);
  CHECK(error.code == 1);
  CHECK(contains(error.message(), "declined in the desktop's dialog"));
  CHECK(portal->wait([](const PortalSeen& seen) { return seen.closed == std::vector{seen.session}; }));
}

TEST_CASE("the portal gives up") {
  const auto bus = private_bus();
  PortalScript script;
  const auto step = GENERATE(&PortalScript::create_session, &PortalScript::select_sources, &PortalScript::start);
  (script.*step).code = 2;
  const auto portal = stand_in(script);
  const Error error = refused();
  CHECK(error.kind == ErrorKind::Lost);
  CHECK(error.code == 2);
  CHECK(contains(error.message(), "backend"));
}

TEST_CASE("a stop takes the dialog down") {
  const auto bus = private_bus();
  const auto portal = stand_in(silent_dialog());
  std::stop_source stop;
  const auto helper = when_asked(*portal, [&] { stop.request_stop(); });
  const Error error = refused({}, stop.get_token());
  CHECK(error.kind == ErrorKind::Cancelled);
  CHECK(portal->wait(
      [](const PortalSeen& seen) { return seen.closed == std::vector{seen.start_request, seen.session}; }));
}

TEST_CASE("a stop that came before does not even ask") {
  const auto bus = private_bus();
  const auto portal = stand_in();
  std::stop_source stop;
  stop.request_stop();
  CHECK(refused({}, stop.get_token()).kind == ErrorKind::Cancelled);
  CHECK(portal->seen().methods.empty());
}

TEST_CASE("a portal that says nothing is not waited for for ever") {
  const auto bus = private_bus();
  PortalScript script;
  SECTION("no answer to the method") { script.create_session.reply = false; }
  SECTION("no response to the request") { script.create_session.response = PortalStep::When::Never; }
  SECTION("no response to the choice") { script.select_sources.response = PortalStep::When::Never; }
  SECTION("no answer to Start itself") { script.start.reply = false; }
  SECTION("no connection") { script.open_remote.reply = false; }
  const auto portal = stand_in(script);
  // Long enough for what is answered, on a machine that has other things to do.
  const Error error = refused({.answer_within = std::chrono::seconds(2)});
  CHECK(error.kind == ErrorKind::Timeout);
  CHECK(
      portal->wait([](const PortalSeen& seen) { return !seen.closed.empty() && seen.closed.back() == seen.session; }));
}

TEST_CASE("a portal that does not even take a name is not asked on") {
  const auto bus = private_bus();
  PortalScript script;
  script.register_app.reply = false;
  const auto portal = stand_in(script);
  CHECK(refused({.answer_within = std::chrono::milliseconds(500)}).kind == ErrorKind::Timeout);
  CHECK(portal->seen().methods.empty());
}

TEST_CASE("the bus dies while the user thinks") {
  auto bus = private_bus();
  const auto portal = stand_in(silent_dialog());
  const auto helper = when_asked(*portal, [&] { bus->kill(); });
  const Error error = refused();
  INFO(error.message());
  CHECK(error.kind == ErrorKind::Lost);
  CHECK(contains(error.message(), "session bus"));
}

TEST_CASE("the portal dies while the user thinks") {
  const auto bus = private_bus();
  const auto portal = stand_in(silent_dialog());
  const auto helper = when_asked(*portal, [&] { portal->drop_off(); });
  const Error error = refused();
  CHECK(error.kind == ErrorKind::Lost);
  CHECK(contains(error.message(), "went away"));
}

TEST_CASE("the desktop ends the session while the user thinks") {
  const auto bus = private_bus();
  const auto portal = stand_in(silent_dialog());
  const auto helper = when_asked(*portal, [&] { portal->close_session(); });
  const Error error = refused();
  CHECK(error.kind == ErrorKind::Denied);
  CHECK(contains(error.message(), "the desktop ended the capture"));
}

TEST_CASE("there is no bus") {
  const auto bus = private_bus();
  const std::string address = "unix:path=" + (bus->folder() / "nobody").string();
  ::setenv("DBUS_SESSION_BUS_ADDRESS", address.c_str(), 1);
  const Error error = refused();
  CHECK(error.kind == ErrorKind::NotFound);
  CHECK(contains(error.message(), "no session bus"));
}

TEST_CASE("there is no portal on the bus") {
  const auto bus = private_bus();
  const Error error = refused();
  CHECK(error.kind == ErrorKind::NotFound);
  CHECK(contains(error.message(), "no desktop portal on the session bus"));
  CHECK(contains(error.message(), "xdg-desktop-portal"));
}

TEST_CASE("the portal cannot capture") {
  const auto bus = private_bus();
  PortalScript script;
  SECTION("no interface") {
    script.screen_cast = false;
    const auto portal = stand_in(script);
    const Error error = refused();
    CHECK(error.kind == ErrorKind::NotFound);
    CHECK(contains(error.message(), "no screen cast"));
  }
  SECTION("no backend behind it") {
    script.source_types = 0;
    const auto portal = stand_in(script);
    CHECK(refused().kind == ErrorKind::NotFound);
    CHECK(portal->seen().methods.empty());
  }
  SECTION("not this type") {
    script.source_types = 1;
    const auto portal = stand_in(script);
    const Error error = refused({.type = PortalType::Window});
    CHECK(error.kind == ErrorKind::Unsupported);
    CHECK(contains(error.message(), "it offers monitor"));
    CHECK(portal->seen().methods.empty());
  }
}

TEST_CASE("the desktop ends the capture later") {
  auto bus = private_bus();
  const auto portal = stand_in();
  auto session = granted();
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Error> ends;
  session->watch([&](const Error& error) {
    const std::lock_guard lock(mutex);
    ends.push_back(error);
    changed.notify_all();
  });
  SECTION("and says so, once") {
    portal->close_session();
    {
      std::unique_lock lock(mutex);
      REQUIRE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return !ends.empty(); }));
    }
    session.reset();
    REQUIRE(ends.size() == 1);
    CHECK(ends.front().kind == ErrorKind::Denied);
    CHECK(contains(ends.front().message(), "the desktop ended the capture"));
  }
  SECTION("another session's end is none of ours") {
    const auto other = granted();
    portal->close_session();  // the last one: the other
    portal->drop_off();       // after it in the bus's order
    session.reset();
    CHECK(ends.empty());
  }
  SECTION("the bus dying is not the desktop's word") {
    bus->kill();
    session.reset();
    CHECK(ends.empty());
  }
}
