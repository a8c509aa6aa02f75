// Cameras: nodes that state what PipeWire's v4l2 and libcamera plugins do, with raw and coded pictures.
#include <spa/param/format.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "capture/camera_source.h"
#include "capture/make_source.h"
#include "capture/node_list.h"
#include "capture/reconnecting_source.h"
#include "integration/capture/rig.h"
#include "support/coded_camera.h"
#include "support/producer_fixture.h"

using namespace zc;
using namespace zc::test;

namespace {

/// What a camera is to the session manager.
void become_camera(ProducerOptions& options) {
  options.properties["media.role"] = "Camera";
  options.properties["device.api"] = "v4l2";
  options.properties["node.description"] = "HD Webcam";
}

EnumFormat coded_format(std::uint32_t subtype, Size size, Rational rate) {
  EnumFormat format;
  format.subtype = subtype;
  format.size = size;
  format.rate = Choice<Rational>(rate);
  return format;
}

ProducerOptions coded_camera(std::uint32_t subtype, Size size = {320, 240}) {
  ProducerOptions options;
  options.name = "camera";
  become_camera(options);
  options.enum_formats = {coded_format(subtype, size, {30, 1})};
  options.size = size;
  options.rate = {30, 1};
  options.code = camera_coder();
  return options;
}

CameraSpec spec_of(std::string text) {
  const auto parsed = parse_source(text);
  REQUIRE(parsed);
  return std::get<CameraSpec>(*parsed);
}

/// The number in a picture, coded ones included.
std::optional<std::uint32_t> number_of(const Frame& frame) {
  const auto* image = std::get_if<HostImage>(&frame.image);
  if (image == nullptr) return std::nullopt;
  const auto mark = read_picture_mark(image->format, image->size, views(*image));
  return mark ? std::optional(mark->frame) : std::nullopt;
}

struct Pictures {
  std::vector<std::uint32_t> numbers;
  std::vector<PixelFormat> formats;
  std::vector<Size> sizes;
  std::vector<ColourDescription> colours;
  std::uint64_t without = 0;
  bool late = false;  ///< a time that is not of the picture
  void operator()(const Frame& frame) {
    const auto number = number_of(frame);
    if (!number) {
      ++without;
      return;
    }
    numbers.push_back(*number);
    formats.push_back(frame.format());
    sizes.push_back(frame.buffer_size());
    colours.push_back(frame.colour);
    if (const auto* image = std::get_if<HostImage>(&frame.image)) {
      const auto mark = read_picture_mark(image->format, image->size, views(*image));
      late = late || !mark || mark->time != frame.pts;
    }
  }
};

std::string start_error(std::string text) {
  RecordingListener listener;
  const auto started = make_camera_source(spec_of(std::move(text)))->start(offer_all(), listener);
  REQUIRE_FALSE(started);
  return started.error().message();
}

/// A camera until picture `last` has come. What came is right and in order, and none of `never` is among it.
SourceStats watch(const ProducerOptions& options, std::uint32_t last, const std::vector<std::uint32_t>& never) {
  const auto daemon = pipewire();
  const auto camera = produce(options);
  Pictures pictures;
  RecordingListener listener([&](Frame& frame) { pictures(frame); });
  const auto source = make_camera_source({});
  REQUIRE(source->start(offer_all(), listener));
  REQUIRE(listener.wait([&] { return !pictures.numbers.empty() && pictures.numbers.back() >= last; }));
  const SourceStats stats = source->stats();
  source->stop();
  CHECK(pictures.without == 0);
  CHECK(rising(pictures.numbers));
  for (const std::uint32_t bad : never) CHECK(std::ranges::find(pictures.numbers, bad) == pictures.numbers.end());
  return stats;
}

}  // namespace

TEST_CASE("a camera's coded pictures arrive decoded, in order, at their times") {
  const auto daemon = pipewire();
  const std::uint32_t subtype = GENERATE(SPA_MEDIA_SUBTYPE_mjpg, SPA_MEDIA_SUBTYPE_h264);
  const bool jpeg = subtype == SPA_MEDIA_SUBTYPE_mjpg;
  const auto camera = produce(coded_camera(subtype));
  Pictures pictures;
  RecordingListener listener([&](Frame& frame) { pictures(frame); });
  const auto source = make_camera_source({});
  REQUIRE(source->start(offer_all(), listener));
  REQUIRE(listener.wait_pictures(20));
  CHECK(source->info().kind == "camera");
  CHECK(source->info().description == (jpeg ? "camera HD Webcam, MJPEG" : "camera HD Webcam, H264"));
  CHECK(source->info().size == Size{320, 240});
  CHECK(source->info().steady);
  source->stop();
  CHECK(pictures.without == 0);
  CHECK(rising(pictures.numbers));
  CHECK_FALSE(pictures.late);
  CHECK(pictures.formats.front() == (jpeg ? PixelFormat::I422 : PixelFormat::I420));
  CHECK(pictures.sizes.front() == Size{320, 240});
  // What a JPEG's numbers mean is fixed, whatever the node says.
  CHECK(pictures.colours.front().range == (jpeg ? ColourRange::Full : ColourRange::Limited));
  CHECK(pictures.colours.front().matrix == ColourMatrix::BT601);
}

TEST_CASE("a damaged JPEG costs itself") {
  ProducerOptions options = coded_camera(SPA_MEDIA_SUBTYPE_mjpg);
  options.damaged = {5, 6, 11};
  CHECK(watch(options, 20, options.damaged).corrupt >= 1);
}

TEST_CASE("of H.264 that could not all be decoded, or is damaged, what is shown is right") {
  const auto daemon = pipewire();
  const bool slow = GENERATE(true, false);
  ProducerOptions options = coded_camera(SPA_MEDIA_SUBTYPE_h264);
  if (!slow) options.damaged = {13};
  const auto camera = produce(options);
  Pictures pictures;
  RecordingListener listener([&](Frame& frame) {
    pictures(frame);
    if (slow && pictures.numbers.size() == 3) std::this_thread::sleep_for(std::chrono::milliseconds(400));
  });
  const auto source = make_camera_source({});
  REQUIRE(source->start(offer_all(), listener));
  REQUIRE(listener.wait([&] { return !pictures.numbers.empty() && pictures.numbers.back() >= 35; }));
  const SourceStats stats = source->stats();
  source->stop();
  CHECK(pictures.without == 0);
  CHECK(rising(pictures.numbers));
  CHECK((slow ? stats.skipped : stats.corrupt) >= 1);
}

TEST_CASE("of H.264 whose buffers are lost on the way, what is shown is right") {
  ProducerOptions options = coded_camera(SPA_MEDIA_SUBTYPE_h264);
  options.lost = {13, 24};
  // Those that follow a lost one, up to the next keyframe: every tenth is one.
  CHECK(watch(options, 35, {14, 19, 25, 29}).skipped >= 2);
}

TEST_CASE("of a USB camera's modes the best is taken, or the one that was asked for") {
  const auto daemon = pipewire();
  const auto fixture = read_fixture(std::string(ZEROCAST_PRODUCER_FIXTURES) + "/" +
                                    GENERATE("v4l2-usb-camera.json", "v4l2-usb-camera-1.6.json"));
  REQUIRE(fixture);
  ProducerOptions options = fixture->options;
  options.name = "v4l2_input.usb";
  options.properties["node.description"] = "USB Camera";
  options.code = camera_coder();
  options.rhythm = {};
  options.rate = {15, 1};
  const auto camera = produce(options);
  struct Row {
    const char* source;
    Size size;
    bool coded;
  };
  const Row row = GENERATE(Row{"camera@1280x720", {1280, 720}, true}, Row{"camera:usb@640x480@30", {640, 480}, false},
                           Row{"camera:USB Camera@320x240", {320, 240}, false});
  INFO(row.source);
  Pictures pictures;
  RecordingListener listener([&](Frame& frame) { pictures(frame); });
  const auto source = make_camera_source(spec_of(row.source));
  const auto started = source->start(offer_all(), listener);
  if (!started) FAIL(started.error().message());
  REQUIRE(listener.wait_pictures(3));
  source->stop();
  CHECK(pictures.without == 0);
  REQUIRE_FALSE(pictures.sizes.empty());
  CHECK(pictures.sizes.back() == row.size);
  CHECK(pictures.formats.back() == (row.coded ? PixelFormat::I422 : PixelFormat::YUY2));
}

TEST_CASE("wrong names and modes are told with those there are") {
  const auto daemon = pipewire();
  CHECK(start_error("camera").find("PipeWire has no camera") != std::string::npos);
  const auto camera = produce(coded_camera(SPA_MEDIA_SUBTYPE_mjpg));
  CHECK(start_error("camera:frontdoor") ==
        "find the camera: none is called 'frontdoor'; there are 'camera' (HD Webcam)");
  CHECK(start_error("camera@1920x1080").find("it has no 1920x1080; there are 320x240@30") != std::string::npos);
}

TEST_CASE("a camera that is unplugged is waited for") {
  const auto daemon = pipewire();
  ProducerOptions options = coded_camera(SPA_MEDIA_SUBTYPE_mjpg);
  options.die_at = 10;
  auto camera = produce(options);
  Pictures pictures;
  RecordingListener listener([&](Frame& frame) { pictures(frame); });
  std::atomic<int> lost = 0;
  std::atomic<int> back = 0;
  const auto source =
      make_reconnecting_source({.make = [](std::stop_token stop) -> Result<std::unique_ptr<Source>> {
                                  return make_source(spec_of("camera:camera"), {.stop = std::move(stop)});
                                },
                                .changed = [&](const Error* error) { ++(error != nullptr ? lost : back); },
                                .stop = {}});
  REQUIRE(source->start(offer_all(), listener));
  REQUIRE(listener.wait([&] { return lost == 1; }));
  // It comes back with another format, as another camera of that name would.
  options.die_at = 0;
  options.first_number = 1000;
  options.enum_formats = {coded_format(SPA_MEDIA_SUBTYPE_h264, {640, 360}, {30, 1})};
  options.size = {640, 360};
  options.code = camera_coder();
  camera = produce(options);
  REQUIRE(listener.wait([&] { return !pictures.numbers.empty() && pictures.numbers.back() > 1005; }));
  source->stop();
  CHECK(back == 1);
  CHECK(rising(pictures.numbers));
  CHECK(pictures.sizes.back() == Size{640, 360});
  CHECK(pictures.without == 0);
}

TEST_CASE("a camera rests and wakes, again and again") {
  const auto daemon = pipewire();
  const auto camera = produce(coded_camera(SPA_MEDIA_SUBTYPE_mjpg));
  Pictures pictures;
  RecordingListener listener([&](Frame& frame) { pictures(frame); });
  const auto source = make_camera_source({});
  REQUIRE(source->start(offer_all(), listener));
  for (std::uint64_t round = 1; round <= 4; ++round) {
    REQUIRE(listener.wait_pictures(listener.pictures() + 2));
    source->rest();
    const std::uint64_t resting = listener.pictures();
    REQUIRE(source->wake(offer_all()));
    REQUIRE(listener.wait_pictures(resting + 2));
  }
  source->stop();
  CHECK(rising(pictures.numbers));
}

TEST_CASE("cameras are listed with their modes") {
  const auto daemon = pipewire();
  const auto camera = produce(coded_camera(SPA_MEDIA_SUBTYPE_h264, {1280, 720}));
  const auto nodes = list_video_nodes();
  REQUIRE(nodes);
  REQUIRE(nodes->size() == 1);
  const VideoNode& node = nodes->front();
  CHECK(node.kind == VideoNode::Kind::Camera);
  REQUIRE(node.modes.size() == 1);
  CHECK(node.modes.front().coded == CodedFormat::H264);
  CHECK(node.modes.front().sizes == std::vector<Size>{{1280, 720}});
  CHECK(node.modes.front().rates == std::vector<Rational>{{30, 1}});
  REQUIRE(node.formats.size() == 1);
  CHECK(node.formats.front().coded == CodedFormat::H264);
}
