#include "capture/node_list.h"

#include "integration/capture/rig.h"

#include <algorithm>

using namespace zc;
using namespace zc::test;

TEST_CASE("video nodes are listed with their formats") {
  const auto daemon = pipewire();
  ProducerOptions screen;
  screen.name = "gamescope";
  screen.formats = {PixelFormat::BGRx, PixelFormat::NV12};
  screen.rate = {75, 1};
  const auto first = produce(screen);
  ProducerOptions stream;
  stream.name = "second";
  stream.media_class = "Stream/Output/Video";
  stream.memory = Memory::DmaBuf;
  stream.variable_rate = true;
  const auto second = produce(stream);
  ProducerOptions audio;
  audio.name = "no-video";
  audio.media_class = "Audio/Source";
  const auto third = produce(audio);

  const auto nodes = list_video_nodes();
  REQUIRE(nodes);
  REQUIRE(nodes->size() == 2);
  const auto by_name = [&](std::string_view name) { return *std::ranges::find(*nodes, name, &VideoNode::name); };
  const VideoNode a = by_name("gamescope");
  CHECK(a.id == first->node_id());
  CHECK(a.serial > 0);
  CHECK(a.description == "zerocast test producer");
  CHECK(a.media_class == "Video/Source");
  CHECK(to_string(a.kind) == "compositor");
  REQUIRE(a.formats.size() == 2);
  CHECK(a.formats[0].format == PixelFormat::BGRx);
  CHECK(a.formats[0].max_size == Size{320, 180});
  CHECK(a.formats[0].max_rate == Rational{75, 1});
  CHECK_FALSE(a.formats[0].dmabuf);
  CHECK(a.formats[1].format == PixelFormat::NV12);
  const VideoNode b = by_name("second");
  REQUIRE(b.formats.size() == 1);
  CHECK(b.formats[0].dmabuf);
  CHECK(b.formats[0].max_rate == stream.rate);

  SECTION("what the list says can be captured") {
    PipeWireTarget t;
    t.node = PipeWireTarget::ObjectSerial{a.serial};
    PictureLog log;
    RecordingListener listener([&](Frame& f) { log.check(f); });
    const auto src = source(std::move(t));
    REQUIRE(src->start(offer_all(), listener));
    CHECK(listener.wait_pictures(2));
    src->stop();
    CHECK(log.wrong == 0);
  }
  SECTION("without a daemon there is nothing to list") {
    daemon->kill_daemon();
    const auto none = list_video_nodes();
    REQUIRE_FALSE(none);
    CHECK(none.error().kind == ErrorKind::NotFound);
  }
}
