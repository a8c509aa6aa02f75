// The way to a camera through the desktop's portal: asked, refused, without one; and a real PipeWire behind it.
#include <spa/param/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "capture/camera_source.h"
#include "capture/portal_camera.h"
#include "integration/capture/rig.h"
#include "integration/portal/portal_stand_in.h"
#include "pipewire/pipewire_connection.h"
#include "support/coded_camera.h"
#include "support/private_bus.h"

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<PrivateBus> session_bus() {
  auto started = PrivateBus::start();
  REQUIRE(started);
  return std::move(*started);
}

/// A connection of our own to the private daemon, as the portal would open it.
UniqueFd pipewire_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = default_socket_path();
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof(address.sun_path) - 1));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
  return fd;
}

Error refusal(PortalScript script) {
  const auto portal = PortalStandIn::start(std::move(script));
  REQUIRE(portal);
  const auto opened = PortalCamera::open({}, 2s);
  REQUIRE_FALSE(opened);
  return opened.error();
}

PortalStep answer(std::uint32_t code) {
  PortalStep step;
  step.code = code;
  return step;
}

}  // namespace

TEST_CASE("a camera through the portal is asked for once, and gives its pictures") {
  const auto daemon = pipewire();  // has no session bus of its own
  const auto bus = session_bus();
  ProducerOptions options;
  options.name = "camera";
  options.properties["media.role"] = "Camera";
  EnumFormat jpeg;
  jpeg.subtype = SPA_MEDIA_SUBTYPE_mjpg;
  jpeg.size = Size{320, 240};
  jpeg.rate = Choice<Rational>(Rational{30, 1});
  options.enum_formats = {jpeg};
  options.size = {320, 240};
  options.rate = {30, 1};
  options.code = camera_coder();
  const auto camera = produce(options);
  PortalScript script;
  script.remote = pipewire_socket;
  const auto portal = PortalStandIn::start(std::move(script));
  REQUIRE(portal);

  CameraSpec spec;
  spec.portal = true;
  RecordingListener listener;
  const auto source = make_camera_source(spec);
  const auto started = source->start(offer_all(), listener);
  if (!started) FAIL(started.error().message());
  REQUIRE(listener.wait_pictures(5));
  CHECK(source->info().description == "camera zerocast test producer (portal), MJPEG");
  source->stop();
  const PortalSeen seen = portal->seen();
  CHECK(seen.app_ids == std::vector<std::string>{"org.zerocast.Zerocast"});
  CHECK(std::ranges::count(seen.methods, "AccessCamera") == 1);
  CHECK(std::ranges::count(seen.methods, "OpenPipeWireRemote") == 2);
  CHECK(seen.session.empty());
}

TEST_CASE("what the portal does not give is told") {
  const auto bus = session_bus();
  const auto portal_less = PortalCamera::open({}, 2s);
  REQUIRE_FALSE(portal_less);
  CHECK(portal_less.error().kind == ErrorKind::NotFound);
  PortalScript no_camera;
  no_camera.camera = false;
  const Error none = refusal(no_camera);
  CHECK(none.kind == ErrorKind::NotFound);
  CHECK(none.message().find("the desktop portal has no cameras") != std::string::npos);
  PortalScript denied;
  denied.access_camera = answer(1);
  CHECK(refusal(denied).kind == ErrorKind::Denied);
  PortalScript gave_up;
  gave_up.access_camera = answer(2);
  CHECK(refusal(gave_up).kind == ErrorKind::Lost);
  PortalScript silent;
  silent.access_camera.reply = false;
  CHECK(refusal(silent).kind == ErrorKind::Timeout);
}

TEST_CASE("a wait for the camera's dialog ends when it is asked to") {
  const auto bus = session_bus();
  std::stop_source stop;
  PortalScript script;
  script.access_camera.response = PortalStep::When::Never;
  script.access_camera.on_call = [&](const std::string&, const std::string&) { stop.request_stop(); };
  const auto portal = PortalStandIn::start(std::move(script));
  REQUIRE(portal);
  const auto opened = PortalCamera::open(stop.get_token(), 30s);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().kind == ErrorKind::Cancelled);
}
