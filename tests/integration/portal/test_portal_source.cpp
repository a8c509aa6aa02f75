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
#include "support/private_pipewire.h"
#include "support/recording_listener.h"
#include "support/test_picture.h"
#include "support/test_producer.h"

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

std::unique_ptr<TestProducer> produce(Size size) {
  ProducerOptions options;
  options.size = size;
  auto made = TestProducer::create(options);
  REQUIRE(made);
  return *std::move(made);
}

/// What several producers show in one picture: the number of each, where that is right to the last byte.
struct Wall {
  explicit Wall(std::vector<Rect> of) : places(std::move(of)) {}
  const std::vector<Rect> places;
  std::vector<std::vector<std::uint32_t>> numbers{places.size()};
  std::vector<bool> black = std::vector<bool>(places.size());
  Size size;
  int wrong = 0;

  void look(const Frame& frame) {
    const auto& image = std::get<HostImage>(frame.image);
    size = image.size;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const Rect& place = places[i];
      std::array<PictureView, 3> view;
      view[0] = {image.planes[0].data + static_cast<std::size_t>(place.y) * image.planes[0].stride_bytes +
                     static_cast<std::size_t>(place.x) * 4,
                 image.planes[0].stride_bytes};
      black[i] = true;
      for (std::uint32_t y = 0; y < place.height && black[i]; ++y) {
        const std::byte* row = view[0].data + y * view[0].stride_bytes;
        black[i] = std::all_of(row, row + std::size_t{place.width} * 4, [](std::byte b) { return b == std::byte{0}; });
      }
      if (black[i]) continue;
      const auto mark = read_picture_mark(image.format, place.size(), view);
      if (!mark || compare_picture(image.format, place.size(), *mark, view)) {
        ++wrong;
      } else if (numbers[i].empty() || numbers[i].back() != mark->frame) {
        numbers[i].push_back(mark->frame);
      }
    }
  }
};

/// PipeWire, two producers in it, and a portal that grants both.
struct TwoStreams {
  std::unique_ptr<PrivatePipeWire> pipewire;
  std::unique_ptr<PrivateBus> bus;
  std::unique_ptr<TestProducer> first;
  std::unique_ptr<TestProducer> second;
  std::unique_ptr<PortalStandIn> portal;

  /// `second_at`: unset for windows.
  explicit TwoStreams(std::optional<Point> first_at, std::optional<Point> second_at) {
    auto started = PrivatePipeWire::start();
    REQUIRE(started);
    pipewire = *std::move(started);
    auto began = PrivateBus::start();
    REQUIRE(began);
    bus = *std::move(began);
    first = produce({320, 180});
    second = produce({200, 120});
    PortalScript script;
    script.restore_token = "token-1";
    script.streams = {{.node = first->node_id(),
                       .source_type = first_at ? 1U : 2U,
                       .size = {320, 180},
                       .position = first_at,
                       .mapping_id = first_at ? "DP-1" : ""},
                      {.node = second->node_id(),
                       .source_type = second_at ? 1U : 2U,
                       .size = {200, 120},
                       .position = second_at,
                       .mapping_id = second_at ? "DP-2" : ""}};
    script.remote = [this] {
      auto socket = pipewire->connect();
      return socket ? *std::move(socket) : UniqueFd();
    };
    portal = PortalStandIn::start(std::move(script));
    REQUIRE(portal);
  }
  [[nodiscard]] PortalSourceOptions options() const {
    PortalSourceOptions options;
    options.multiple = true;
    options.tokens = RestoreTokens(bus->folder() / "state" / "restore-tokens");
    return options;
  }
};

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
  CHECK(kept->streams.at(0).mapping_id == "DP-1");
}

TEST_CASE("what was granted once is restored, checked and said") {
  Rig rig;
  LogListener said;
  RestoreToken before{"token-1", {{}}};
  before.streams[0].size = Size{1920, 1080};
  before.streams[0].position = Point{100, -50};
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
    before.streams[0].position = Point{0, 0};
    REQUIRE(rig.tokens().store(kKey, before));
    run(rig.options(), with_token("token-2"));
    CHECK(contains(said.take(),
                   "warning: asked the desktop to restore monitor (1920x1080 at 0,0), but monitor DP-1 (1920x1080 at "
                   "100,-50) came"));
  }
  SECTION("the same monitor in another mode") {
    before.streams[0].size = Size{3840, 2160};
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

TEST_CASE("two monitors are one picture, as they stand on the desktop, until both are gone") {
  TwoStreams desk(Point{0, 0}, Point{320, 60});
  LogListener said;
  Wall wall({{0, 0, 320, 180}, {320, 60, 200, 120}});
  RecordingListener listener([&](Frame& frame) { wall.look(frame); });
  const auto source = make_portal_source(desk.options());
  REQUIRE(source->start(offer(), listener));
  CHECK(desk.portal->seen().select_options.at("multiple") == "true");
  CHECK(
      contains(said.take(), "the desktop granted monitor DP-1 (320x180 at 0,0) and monitor DP-2 (200x120 at 320,60)"));
  CHECK(std::ranges::count(desk.portal->seen().methods, "OpenPipeWireRemote") == 2);
  REQUIRE(listener.wait([&] { return wall.numbers[0].size() >= 10 && wall.numbers[1].size() >= 10; }));
  CHECK(wall.size == Size{520, 180});
  CHECK(source->info().description ==
        "monitor DP-1 (320x180 at 0,0) and monitor DP-2 (200x120 at 320,60) through the desktop portal");

  desk.second.reset();
  REQUIRE(listener.wait([&] { return wall.black[1]; }));
  CHECK(contains(said.take(), "warning: monitor DP-2 (200x120 at 320,60) has ended"));
  std::size_t seen = 0;
  REQUIRE(listener.wait([&] {
    if (seen == 0) seen = wall.numbers[0].size();
    return wall.numbers[0].size() >= seen + 10;
  }));
  CHECK(wall.black[1]);
  CHECK_FALSE(listener.error());

  desk.first.reset();
  REQUIRE(listener.wait_state(SourceState::Ended));
  CHECK(listener.error()->kind == ErrorKind::Lost);
  CHECK(wall.wrong == 0);
  for (const auto& numbers : wall.numbers) CHECK(std::ranges::is_sorted(numbers));
  source->stop();
  const auto kept = desk.options().tokens->find({"any+multiple", "default"}).value();
  REQUIRE(kept);
  REQUIRE(kept->streams.size() == 2);
  CHECK(kept->streams[1].position == Point{320, 60});
}

TEST_CASE("two windows stand side by side, and the desktop's end is the end of both") {
  TwoStreams desk(std::nullopt, std::nullopt);
  Wall wall({{0, 0, 320, 180}, {320, 0, 200, 120}});
  RecordingListener listener([&](Frame& frame) { wall.look(frame); });
  const auto source = make_portal_source(desk.options());
  REQUIRE(source->start(offer(), listener));
  REQUIRE(listener.wait([&] { return wall.numbers[0].size() >= 5 && wall.numbers[1].size() >= 5; }));
  CHECK(wall.size == Size{520, 180});
  desk.portal->close_session();
  REQUIRE(listener.wait_state(SourceState::Ended));
  CHECK(listener.error()->kind == ErrorKind::Denied);
  CHECK(wall.wrong == 0);
  source->stop();
}

TEST_CASE("a region over two of the portal's monitors, over one of them, and beside them") {
  TwoStreams desk(Point{0, 0}, Point{320, 60});
  Size size;
  RecordingListener listener([&](Frame& frame) { size = frame.visible_size(); });
  PortalSourceOptions options = desk.options();
  SECTION("two") { options.region = Rect{300, 50, 60, 40}; }
  SECTION("one") { options.region = Rect{400, 0, 300, 100}; }
  SECTION("none") { options.region = Rect{0, 200, 60, 40}; }
  const Rect region = *options.region;
  const auto source = make_portal_source(std::move(options));
  const auto started = source->start(offer(), listener);
  if (region.y == 200) {
    REQUIRE_FALSE(started);
    CHECK(contains(started.error().message(), "is not on the monitors that were chosen, which are at 0,0 320x180 and"));
    return;
  }
  REQUIRE(started);
  REQUIRE(listener.wait_pictures(3));
  source->stop();
  CHECK(size == (region.x == 300 ? Size{60, 40} : Size{120, 40}));
}

TEST_CASE("the desktop grants one although several were allowed") {
  Rig rig;
  const auto portal = PortalStandIn::start(with_token("token-1"));
  REQUIRE(portal);
  PortalSourceOptions options = rig.options();
  options.multiple = true;
  const auto source = make_portal_source(std::move(options));
  RecordingListener listener;
  REQUIRE(source->start(offer(), listener));
  REQUIRE(listener.wait_pictures(2));
  source->stop();
  CHECK(source->info().size == Size{64, 48});
  CHECK(rig.tokens().find({"monitor+multiple", "default"}).value());
}
