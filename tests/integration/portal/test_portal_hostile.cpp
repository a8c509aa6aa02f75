// The portal client against answers that no specification allows.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdint>

#include "capture/portal_session.h"
#include "integration/portal/portal_stand_in.h"
#include "support/private_bus.h"

using namespace zc;
using namespace zc::test;

namespace {

struct Opened {
  std::unique_ptr<PrivateBus> bus;
  std::unique_ptr<PortalStandIn> portal;
  Result<std::unique_ptr<PortalSession>> session;
};

Opened open_with(PortalScript script) {
  auto bus = PrivateBus::start();
  REQUIRE(bus);
  auto portal = PortalStandIn::start(std::move(script));
  REQUIRE(portal);
  auto session = PortalSession::open({.answer_within = std::chrono::seconds(30)}, {});
  return {std::move(*bus), std::move(portal), std::move(session)};
}

PortalScript start_body(std::function<int(sd_bus_message*)> body) {
  PortalScript script;
  script.start.body = std::move(body);
  return script;
}

/// A Start response with the one entry "streams".
PortalScript streams(const char* signature, std::function<int(sd_bus_message*)> append) {
  return start_body([signature, append = std::move(append)](sd_bus_message* m) {
    return append_response(m, 0, "streams", signature, append);
  });
}

void check_nonsense(PortalScript script) {
  const Opened opened = open_with(std::move(script));
  REQUIRE_FALSE(opened.session);
  CHECK(opened.session.error().kind == ErrorKind::Internal);
  CHECK(opened.session.error().message().find("desktop") != std::string::npos);
}

}  // namespace

TEST_CASE("a grant without a usable stream") {
  SECTION("no streams at all") {
    check_nonsense(start_body([](sd_bus_message* m) { return sd_bus_message_append(m, "ua{sv}", 0, 0); }));
  }
  SECTION("an empty list") {
    check_nonsense(streams("a(ua{sv})", [](sd_bus_message* m) { return sd_bus_message_append(m, "a(ua{sv})", 0); }));
  }
  SECTION("a list of something else") {
    check_nonsense(streams("as", [](sd_bus_message* m) { return sd_bus_message_append(m, "as", 2, "a", "b"); }));
  }
  SECTION("node ids of another type") {
    check_nonsense(
        streams("a(ta{sv})", [](sd_bus_message* m) { return sd_bus_message_append(m, "a(ta{sv})", 1, 42ULL, 0); }));
  }
  SECTION("the id that names no node") {
    check_nonsense(streams("a(ua{sv})", [](sd_bus_message* m) {
      return sd_bus_message_append(m, "a(ua{sv})", 1, std::uint32_t{0xffffffff}, 0);
    }));
  }
}

TEST_CASE("a response that is none") {
  SECTION("empty") {
    check_nonsense(start_body([](sd_bus_message*) { return 0; }));
  }
  SECTION("text") {
    check_nonsense(start_body([](sd_bus_message* m) { return sd_bus_message_append(m, "s", "yes"); }));
  }
  SECTION("a code alone") {
    check_nonsense(start_body([](sd_bus_message* m) { return sd_bus_message_append(m, "u", 0); }));
  }
  SECTION("a code and a list") {
    check_nonsense(start_body([](sd_bus_message* m) { return sd_bus_message_append(m, "uas", 0, 1, "x"); }));
  }
}

TEST_CASE("properties of the wrong type count as missing") {
  const Opened opened = open_with(streams("a(ua{sv})", [](sd_bus_message* m) {
    return sd_bus_message_append(m, "a(ua{sv})", 1, std::uint32_t{7}, 8,  //
                                 "size", "(uu)", 5U, 5U,                  //
                                 "position", "s", "left",                 //
                                 "source_type", "i", 1,                   //
                                 "id", "u", 5U,                           //
                                 "mapping_id", "as", 1, "DP-1",           //
                                 "pipewire-serial", "u", 9U,              //
                                 "colour", "s", "blue",                   //
                                 "nested", "a{sv}", 1, "deep", "v", "s", "x");
  }));
  REQUIRE(opened.session);
  const PortalGrant& grant = (*opened.session)->grant();
  CHECK(grant.streams.front().node == 7);
  CHECK_FALSE(grant.streams.front().serial);
  CHECK(grant.streams.front().identity == StreamIdentity{});
  CHECK(grant.restore_token.empty());
}

TEST_CASE("sizes that are none count as missing, and a serial is taken") {
  const Opened opened = open_with(streams("a(ua{sv})", [](sd_bus_message* m) {
    return sd_bus_message_append(m, "a(ua{sv})", 1, std::uint32_t{7}, 2, "size", "(ii)", -1920, 0,  //
                                 "pipewire-serial", "t", 0x1'0000'0009ULL);
  }));
  REQUIRE(opened.session);
  CHECK((*opened.session)->grant().streams.front().serial == 0x1'0000'0009ULL);
  CHECK_FALSE((*opened.session)->grant().streams.front().identity.size);
}

TEST_CASE("of several streams the first is taken, however many") {
  const Opened opened = open_with(streams("a(ua{sv})", [](sd_bus_message* m) {
    int r = sd_bus_message_open_container(m, 'a', "(ua{sv})");
    for (std::uint32_t node = 100; node < 2100 && r >= 0; ++node) {
      r = sd_bus_message_append(m, "(ua{sv})", node, 0);
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
  }));
  REQUIRE(opened.session);
  CHECK((*opened.session)->grant().streams.front().node == 100);
}

TEST_CASE("a session handle that is none") {
  PortalScript script;
  SECTION("missing") {
    script.create_session.body = [](sd_bus_message* m) { return sd_bus_message_append(m, "ua{sv}", 0, 0); };
  }
  SECTION("no path") {
    script.create_session.body = [](sd_bus_message* m) {
      return sd_bus_message_append(m, "ua{sv}", 0, 1, "session_handle", "s", "not a path");
    };
  }
  SECTION("a number") {
    script.create_session.body = [](sd_bus_message* m) {
      return sd_bus_message_append(m, "ua{sv}", 0, 1, "session_handle", "u", 5U);
    };
  }
  check_nonsense(script);
}

TEST_CASE("a session handle of the type it should have been") {
  PortalScript script;
  script.create_session.body = [](sd_bus_message* m) {
    return sd_bus_message_append(m, "ua{sv}", 0, 1, "session_handle", "o", "/some/session");
  };
  const Opened opened = open_with(script);
  CHECK(opened.session);
}

TEST_CASE("methods that fail say so") {
  PortalScript script;
  SECTION("refused by policy") {
    script.start.error = "org.freedesktop.portal.Error.NotAllowed";
    const Opened opened = open_with(script);
    REQUIRE_FALSE(opened.session);
    CHECK(opened.session.error().kind == ErrorKind::Denied);
  }
  SECTION("any error at the end") {
    script.open_remote.error = "org.freedesktop.DBus.Error.Failed";
    const Opened opened = open_with(script);
    REQUIRE_FALSE(opened.session);
    CHECK(opened.session.error().message().find("as the script says") != std::string::npos);
    CHECK(opened.portal->wait([](const PortalSeen& seen) { return seen.closed == std::vector{seen.session}; }));
  }
}

TEST_CASE("nobody but the portal can answer for it") {
  sd_bus* forger = nullptr;
  PortalScript script;
  script.start.on_call = [&](const std::string& caller, const std::string& path) {
    sd_bus_message* raw = nullptr;
    if (sd_bus_open_user(&forger) < 0 ||
        sd_bus_message_new_signal(forger, &raw, path.c_str(), "org.freedesktop.portal.Request", "Response") < 0) {
      return;
    }
    const MessagePtr signal(raw);
    append_response(raw, 0, "streams", "a(ua{sv})",
                    [](sd_bus_message* m) { return sd_bus_message_append(m, "a(ua{sv})", 1, std::uint32_t{666}, 0); });
    sd_bus_message_set_destination(raw, caller.c_str());
    sd_bus_send(forger, raw, nullptr);
    sd_bus_flush(forger);  // on the bus before the true response is sent
  };
  const Opened opened = open_with(script);
  sd_bus_flush_close_unref(forger);
  REQUIRE(opened.session);
  CHECK((*opened.session)->grant().streams.front().node == 42);
}
