// Which camera is meant, and what it is asked for.
#include "capture/camera_mode.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

using namespace zc;

namespace {

OfferedFormat raw(PixelFormat format, std::vector<Size> sizes, std::vector<Rational> rates) {
  OfferedFormat offered;
  offered.format = format;
  offered.sizes = std::move(sizes);
  offered.min_size = offered.sizes.front();
  offered.max_size = offered.sizes.back();
  offered.rates = std::move(rates);
  offered.max_rate = offered.rates.empty() ? Rational{} : offered.rates.front();
  return offered;
}

OfferedFormat coded(CodedFormat format, std::vector<Size> sizes, std::vector<Rational> rates) {
  OfferedFormat offered = raw(PixelFormat::Unknown, std::move(sizes), std::move(rates));
  offered.coded = format;
  return offered;
}

/// As USB carries it: raw pictures are few when they are large.
VideoNode usb_camera() {
  const std::vector<Rational> fast{{30, 1}, {24, 1}, {15, 1}};
  VideoNode node;
  node.id = 40;
  node.serial = 400;
  node.name = "v4l2_input.usb-cam";
  node.description = "HD Webcam C920";
  node.kind = VideoNode::Kind::Camera;
  node.modes = {coded(CodedFormat::Mjpeg, {{640, 480}}, fast),
                coded(CodedFormat::Mjpeg, {{1280, 720}}, fast),
                coded(CodedFormat::Mjpeg, {{1920, 1080}}, fast),
                raw(PixelFormat::YUY2, {{640, 480}}, fast),
                raw(PixelFormat::YUY2, {{1280, 720}}, {{10, 1}, {5, 1}}),
                raw(PixelFormat::YUY2, {{1920, 1080}}, {{5, 1}})};
  return node;
}

FormatOffer host() {
  FormatOffer offer;
  for (const PixelFormat format : {PixelFormat::BGRx, PixelFormat::NV12, PixelFormat::YUY2}) {
    offer.formats.push_back({format, {}});
  }
  return offer;
}

CameraSpec spec(std::optional<Size> size = std::nullopt, std::optional<Rational> rate = std::nullopt) {
  CameraSpec spec;
  spec.size = size;
  spec.rate = rate;
  return spec;
}

struct Chosen {
  std::string format;
  Size size;
  Rational rate;
  bool operator==(const Chosen&) const = default;
};

Chosen best(const VideoNode& camera, const CameraSpec& wanted, const FormatOffer& offer = host()) {
  const auto offers = camera_offers(camera, wanted, offer);
  if (!offers) FAIL(offers.error().message());
  const FormatOffer& one = offers->front();
  const bool is_coded = !one.coded.empty();
  return {std::string(is_coded ? name(one.coded.front()) : name(one.formats.front().format)), one.size.value_or(Size{}),
          one.rate.value_or(Rational{})};
}

std::string refusal(const VideoNode& camera, const CameraSpec& wanted, const FormatOffer& offer = host()) {
  const auto offers = camera_offers(camera, wanted, offer);
  REQUIRE_FALSE(offers);
  return offers.error().message();
}

}  // namespace

TEST_CASE("the largest picture that comes thirty times a second is asked for") {
  const VideoNode camera = usb_camera();
  CHECK(best(camera, spec()) == Chosen{"MJPEG", {1920, 1080}, {30, 1}});
  SECTION("raw before coded where both do") {
    CHECK(best(camera, spec(Size{640, 480})) == Chosen{"YUY2", {640, 480}, {30, 1}});
  }
  SECTION("coded where raw is too slow") {
    CHECK(best(camera, spec(Size{1280, 720})) == Chosen{"MJPEG", {1280, 720}, {30, 1}});
  }
  SECTION("raw again where no more is wanted") {
    CHECK(best(camera, spec(Size{1280, 720}, Rational{10, 1})) == Chosen{"YUY2", {1280, 720}, {10, 1}});
    FormatOffer slow = host();
    slow.max_rate = {5, 1};
    CHECK(best(camera, spec(), slow) == Chosen{"YUY2", {1920, 1080}, {5, 1}});
  }
  SECTION("a rate alone") { CHECK(best(camera, spec({}, Rational{24, 1})) == Chosen{"MJPEG", {1920, 1080}, {24, 1}}); }
  SECTION("29.97 is 30") {
    VideoNode ntsc = camera;
    ntsc.modes = {raw(PixelFormat::YUY2, {{720, 480}}, {{30000, 1001}})};
    CHECK(best(ntsc, spec({}, Rational{30, 1})) == Chosen{"YUY2", {720, 480}, {30000, 1001}});
  }
  SECTION("where nothing comes so often the rate counts before the size") {
    VideoNode slow = camera;
    slow.modes = {raw(PixelFormat::YUY2, {{640, 480}}, {{15, 1}}), raw(PixelFormat::YUY2, {{1920, 1080}}, {{5, 1}})};
    CHECK(best(slow, spec()) == Chosen{"YUY2", {640, 480}, {15, 1}});
  }
  SECTION("H.264 last") {
    VideoNode both = camera;
    both.modes = {coded(CodedFormat::H264, {{1280, 720}}, {{30, 1}}),
                  coded(CodedFormat::Mjpeg, {{1280, 720}}, {{30, 1}})};
    CHECK(best(both, spec()).format == "MJPEG");
    both.modes.pop_back();
    CHECK(best(both, spec()).format == "H264");
  }
}

TEST_CASE("a camera without rates, with sizes from one to another") {
  VideoNode camera = usb_camera();
  OfferedFormat any;
  any.format = PixelFormat::NV12;
  any.min_size = {32, 32};
  any.max_size = {3280, 2464};
  camera.modes = {any};
  CHECK(best(camera, spec()) == Chosen{"NV12", {1920, 1080}, {}});
  CHECK(best(camera, spec(Size{3280, 2464}, Rational{25, 1})) == Chosen{"NV12", {3280, 2464}, {25, 1}});
  CHECK(refusal(camera, spec(Size{4000, 3000})).find("it has no 4000x3000; there are 32x32 to 3280x2464") !=
        std::string::npos);
}

TEST_CASE("dmabufs come first where their modifier is taken") {
  VideoNode camera = usb_camera();
  OfferedFormat linear = raw(PixelFormat::YUY2, {{640, 480}}, {{30, 1}});
  linear.dmabuf = true;
  linear.modifier = 0;
  camera.modes = {raw(PixelFormat::YUY2, {{640, 480}}, {{30, 1}}), linear};
  FormatOffer gpu = host();
  gpu.formats.back().modifiers = {0};
  const auto with = camera_offers(camera, spec(), gpu);
  REQUIRE(with);
  REQUIRE(with->size() == 2);
  CHECK(with->front().has(PixelFormat::YUY2, 0));
  CHECK_FALSE(with->front().shared_memory);
  CHECK(with->back().shared_memory);
  const auto without = camera_offers(camera, spec(), host());
  REQUIRE(without);
  REQUIRE(without->size() == 1);
  CHECK_FALSE(without->front().has_dmabufs());
}

TEST_CASE("what a camera does not have is refused with what it has") {
  const VideoNode camera = usb_camera();
  CHECK(refusal(camera, spec(Size{3840, 2160})) ==
        "choose what camera 'HD Webcam C920' is to send: it has no 3840x2160; there are 640x480@30, 1280x720@30, "
        "1920x1080@30, 1280x720@10, 1920x1080@5");
  CHECK(refusal(camera, spec(Size{640, 480}, Rational{60, 1})).find("no 640x480 at 60 a second") != std::string::npos);
  FormatOffer rgb;
  rgb.formats.push_back({PixelFormat::BGRx, {0}});
  rgb.shared_memory = false;
  CHECK(refusal(camera, spec(), rgb).find("its formats (MJPEG, YUY2) are not taken here") != std::string::npos);
}

TEST_CASE("a camera is found by its name, its description or a part of it") {
  VideoNode first = usb_camera();
  VideoNode second = usb_camera();
  second.id = 41;
  second.name = "libcamera_input.front";
  second.description = "Built-in Front Camera";
  second.priority = 1500;
  VideoNode screen = usb_camera();
  screen.name = screen.description = "gamescope";
  screen.kind = VideoNode::Kind::Compositor;
  const std::vector<VideoNode> nodes{screen, first, second};
  const auto pick = [&](std::string name) {
    CameraSpec wanted;
    wanted.name = std::move(name);
    return pick_camera(nodes, wanted);
  };
  CHECK(pick("v4l2_input.usb-cam")->id == 40);
  CHECK(pick("hd webcam c920")->id == 40);
  CHECK(pick("front")->id == 41);
  CHECK(pick("")->id == 41);  // the session manager's first choice
  const auto several = pick("input");
  REQUIRE_FALSE(several);
  CHECK(several.error().kind == ErrorKind::Invalid);
  const auto none = pick("gamescope");
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == ErrorKind::NotFound);
  CHECK(none.error().message() ==
        "find the camera: none is called 'gamescope'; there are 'v4l2_input.usb-cam' (HD Webcam C920), "
        "'libcamera_input.front' (Built-in Front Camera)");
  CHECK(pick_camera({}, CameraSpec{}).error().message() == "find the camera: PipeWire has no camera");
}
