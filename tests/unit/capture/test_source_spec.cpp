#include "capture/source_spec.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <filesystem>
#include <string>

#include "capture/spec_text.h"

using namespace zc;

namespace {

template <class Spec>
Spec parsed(std::string_view text) {
  const auto spec = parse_source(text);
  INFO(text << ": " << (spec ? "" : spec.error().message()));
  REQUIRE(spec);
  REQUIRE(std::holds_alternative<Spec>(*spec));
  return std::get<Spec>(*spec);
}

std::string refusal(std::string_view text) {
  const auto spec = parse_source(text);
  INFO(text);
  REQUIRE_FALSE(spec);
  CHECK(spec.error().kind == ErrorKind::Invalid);
  return spec.error().message();
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("rates are read exactly") {
  CHECK(parse_rate("60") == Rational{60, 1});
  CHECK(parse_rate("59.94") == Rational{2997, 50});
  CHECK(parse_rate("0.5") == Rational{1, 2});
  CHECK(parse_rate("30000/1001") == Rational{30000, 1001});
  CHECK(parse_rate("120/2") == Rational{60, 1});
  for (const char* bad : {"", "0", "0.0", "-1", "+5", "60 ", "60fps", "1/0", "0/1", "1.2345", ".", "5.", "1e3",
                          "99999999999", "4294967295.999"}) {
    INFO(bad);
    CHECK_FALSE(parse_rate(bad));
  }
}

TEST_CASE("sizes are two numbers and nothing else") {
  CHECK(parse_size("1280x720") == Size{1280, 720});
  for (const char* bad :
       {"", "x", "1280", "1280x", "x720", "1280X720", "1280x720x1", " 1280x720", "-1x5", "4294967296x1"}) {
    INFO(bad);
    CHECK_FALSE(parse_size(bad));
  }
}

TEST_CASE("the test source's text") {
  CHECK(parsed<TestSpec>("test") == TestSpec{});
  CHECK(parsed<TestSpec>("test:") == TestSpec{});
  const auto size = parsed<TestSpec>("test:641x479@59.94");
  CHECK(size.size == Size{641, 479});
  CHECK(size.rate == Rational{2997, 50});
  CHECK(parsed<TestSpec>("test:@24").rate == Rational{24, 1});
  CHECK(parsed<TestSpec>("test:@24").size == TestSpec{}.size);
  const auto all = parsed<TestSpec>("test:64x64@30,format=xrgb_210le,frames=90,static,resize=32x32@5,resize=48x16@9");
  CHECK(all.format == PixelFormat::xRGB_210LE);
  CHECK(all.frames == 90);
  CHECK(all.still);
  CHECK(all.resizes == std::vector<TestSpec::Resize>{{{32, 32}, 5}, {{48, 16}, 9}});
  CHECK(parsed<TestSpec>("test:frames=3").frames == 3);
}

TEST_CASE("a wrong source says what is wrong and what would be right") {
  CHECK(contains(refusal("tset"), "'tset' is not a source"));
  CHECK(contains(refusal("tset"), "test:WxH"));
  CHECK(contains(refusal(""), "choose from"));
  CHECK(contains(refusal("Test"), "choose from"));
  CHECK(contains(refusal("test:12y34"), "12y34"));
  CHECK(contains(refusal("test:8x8"), "16x16"));
  CHECK(contains(refusal("test:99999x720"), "16384"));
  CHECK(contains(refusal("test:1280x720@0"), "1000"));
  CHECK(contains(refusal("test:1280x720@1001"), "1000"));
  CHECK(contains(refusal("test:1280x720@"), "59.94"));
  CHECK(contains(refusal("test:1280x720@60@60"), "60@60"));
  CHECK(contains(refusal("test:@4000000007/4000000009"), "rate"));
  CHECK(contains(refusal("test:,format=NV12"), "BGRx, BGRA"));
  CHECK(contains(refusal("test:format=unknown"), "BGRx"));
  CHECK(contains(refusal("test:frames=0"), "frames='0'"));
  CHECK(contains(refusal("test:frames=99999999999999999999"), "frames"));
  CHECK(contains(refusal("test:static=1"), "no value"));
  CHECK(contains(refusal("test:speed=1"), "speed=1"));
  CHECK(contains(refusal("test:static,1280x720"), "1280x720"));
  CHECK(contains(refusal("test:resize=64x64"), "WxH@N"));
  CHECK(contains(refusal("test:resize=64x64@0"), "WxH@N"));
  CHECK(contains(refusal("test:resize=64x64@7,resize=32x32@7"), "rising"));
  CHECK(contains(refusal("test:transfer=sdr"), "bt709, srgb, bt2020-10, pq, hlg"));
  CHECK(contains(refusal("test:,,static"), "''"));
  CHECK(contains(refusal(std::string(5000, 'x')), "longer"));
  CHECK(refusal(std::string(5000, 'x')).size() < 200);
}

TEST_CASE("the portal's and the node's text") {
  CHECK(parsed<PortalSpec>("portal").type == PortalType::Any);
  CHECK(parsed<PortalSpec>("portal:monitor").type == PortalType::Monitor);
  CHECK(parsed<PortalSpec>("portal:window").type == PortalType::Window);
  CHECK(parsed<PortalSpec>("portal:virtual").type == PortalType::Virtual);
  CHECK_FALSE(parsed<PortalSpec>("portal:window").multiple);
  for (const char* text : {"portal:multiple", "portal:monitor,multiple", "portal:window,multiple"}) {
    CHECK(parsed<PortalSpec>(text).multiple);
    CHECK(to_string(SourceSpec(parsed<PortalSpec>(text))) == text);
  }
  CHECK(parsed<PortalSpec>("portal:window,multiple").type == PortalType::Window);
  for (const char* text : {"portal:window,", "portal:multiple,window", "portal:window,all", "portal:,multiple"}) {
    CHECK(contains(refusal(text), "portal:multiple"));
  }
  CHECK(contains(refusal("portal:screen"), "portal:monitor, portal:window, portal:virtual"));

  CHECK(parsed<NodeSpec>("node:42").node == decltype(NodeSpec::node)(NodeSpec::Id{42}));
  CHECK(parsed<NodeSpec>("node:serial=77").node == decltype(NodeSpec::node)(NodeSpec::Serial{77}));
  CHECK(parsed<NodeSpec>("node:gamescope").node == decltype(NodeSpec::node)(std::string("gamescope")));
  CHECK(parsed<NodeSpec>("node:v4l2_input.pci-0000:00").node ==
        decltype(NodeSpec::node)(std::string("v4l2_input.pci-0000:00")));
  CHECK(parsed<NodeSpec>("node:4k-camera").node == decltype(NodeSpec::node)(std::string("4k-camera")));
  CHECK(contains(refusal("node"), "node:serial=SERIAL"));
  CHECK(contains(refusal("node:"), "names no node"));
  CHECK(contains(refusal("node:4294967295"), "possible id"));
  CHECK(contains(refusal("node:99999999999"), "possible id"));
  CHECK(contains(refusal("node:serial="), "serial"));
  CHECK(contains(refusal("node:serial=x"), "serial"));
  CHECK(contains(refusal("node:a\nb"), "control"));
  CHECK(contains(refusal("webcam"), "portal[:monitor|window|virtual][,multiple]"));
}

TEST_CASE("the compositors' own sources") {
  CHECK(parsed<WaylandSpec>("wayland") == WaylandSpec{});
  CHECK(parsed<WaylandSpec>("wayland:HEADLESS-1").output == "HEADLESS-1");
  CHECK(parsed<WaylandSpec>("wayland:window:4f2a").window == "4f2a");
  CHECK(contains(refusal("wayland:window:"), "names no window"));
  CHECK(contains(refusal("wayland:a\nb"), "control"));

  CHECK(parsed<CastSpec>("kwin") == CastSpec{CastSpec::Desktop::KWin, CastSpec::Output{}});
  CHECK(parsed<CastSpec>("mutter:DP-1") == CastSpec{CastSpec::Desktop::Mutter, CastSpec::Output{"DP-1"}});
  CHECK(parsed<CastSpec>("kwin:window:{a-b}") == CastSpec{CastSpec::Desktop::KWin, CastSpec::Window{"{a-b}"}});
  CHECK(parsed<CastSpec>("mutter:area:-5,7 100x50") ==
        CastSpec{CastSpec::Desktop::Mutter, CastSpec::Area{{-5, 7, 100, 50}}});
  CHECK(parsed<CastSpec>("kwin:virtual:1920x1080") ==
        CastSpec{CastSpec::Desktop::KWin, CastSpec::Virtual{{1920, 1080}}});
  CHECK(contains(refusal("mutter:window:abc"), "'abc' is not the number of a window"));
  CHECK(contains(refusal("kwin:window:"), "names no window"));
  CHECK(contains(refusal("mutter:area:1,2"), "the form is slurp's"));
  CHECK(contains(refusal("mutter:virtual:8x8"), "from 16x16 to 16384x16384"));
  CHECK(contains(refusal("kwin:screen:1"), "kwin[:OUTPUT|window:UUID|area:X,Y WxH|virtual:WxH]"));
}

TEST_CASE("a spec's text reads back as itself") {
  for (const char* text :
       {"test:1280x720@60", "test:640x480@30000/1001,format=RGBA,frames=5", "test:64x64@60,static,resize=32x32@4",
        "test:64x64@60,transfer=pq", "wayland", "wayland:DP-1", "wayland:window:4f2a", "kwin", "kwin:DP-1",
        "kwin:window:{a}", "mutter:window:17", "mutter:area:-5,7 100x50", "mutter:virtual:1280x720"}) {
    const auto spec = parse_source(text);
    REQUIRE(spec);
    CHECK(to_string(*spec) == text);
    CHECK(parse_source(to_string(*spec)) == *spec);
  }
}

TEST_CASE("a media file's text") {
  const auto plain = parsed<FileSpec>("file:/videos/a clip.mp4");
  CHECK(plain.path == "/videos/a clip.mp4");
  CHECK_FALSE(plain.loop);
  const auto all = parsed<FileSpec>("file:clip.mkv,start=1:02:03.5,loop,decoder=nvdec");
  CHECK(all.path == "clip.mkv");
  CHECK(all.loop);
  CHECK(all.start == std::chrono::milliseconds(3'723'500));
  CHECK(all.decoder == DecoderBackend::Nvdec);
  // A comma that begins no option is the name's.
  CHECK(parsed<FileSpec>("file:one, two.mp4,loop").path == "one, two.mp4");
  CHECK(parsed<FileSpec>("file:a:b.mp4").path == "a:b.mp4");
  for (const char* text :
       {"file:a.mp4", "file:a, b.mp4,loop,start=12.5", "file:/x.m3u,decoder=software", "file:a.mp4,start=0.001"}) {
    CHECK(to_string(*parse_source(text)) == text);
  }
  CHECK(contains(refusal("file:"), "names no file"));
  CHECK(contains(refusal("file:,loop"), "names no file"));
  CHECK(contains(refusal("file:a.mp4,loop=2"), "loop takes no value"));
  CHECK(contains(refusal("file:a.mp4,start=soon"), "1:30"));
  CHECK(contains(refusal("file:a.mp4,decoder=gpu"), "software, nvdec, vaapi, vulkan"));
  CHECK(contains(refusal("file:http://host/a.mp4"), "URL"));
}

TEST_CASE("times in a file") {
  using namespace std::chrono_literals;
  CHECK(parse_time("0") == 0s);
  CHECK(parse_time("90") == 90s);
  CHECK(parse_time("1:30") == 90s);
  CHECK(parse_time("1:00:00.25") == 3600s + 250ms);
  for (const char* bad :
       {"", ":", "1:", ":30", "1:60", "1:2:3:4", "-1", "1.", "1.0000000001", "1e3", "90:00:00", " 1"}) {
    INFO(bad);
    CHECK_FALSE(parse_time(bad));
  }
  CHECK(time_text(90s) == "90");
  CHECK(time_text(90s + 50ms) == "90.05");
}

TEST_CASE("a path is made absolute for another process") {
  const std::string here = std::filesystem::current_path().string();
  CHECK(absolute_source("file:clips/../a.mp4,loop") == "file:" + here + "/a.mp4,loop");
  CHECK(absolute_source("image:logo.png") == "image:" + here + "/logo.png");
  CHECK(absolute_source("file:/a.mp4") == "file:/a.mp4");
  CHECK(absolute_source("portal:window") == "portal:window");
  CHECK(absolute_source("file:") == "file:");
}

TEST_CASE("a camera's text") {
  CHECK(parsed<CameraSpec>("camera") == CameraSpec{});
  CHECK(parsed<CameraSpec>("camera:") == CameraSpec{});
  CHECK(parsed<CameraSpec>("camera:@default") == CameraSpec{});
  const auto whole = parsed<CameraSpec>("camera:HD Webcam@1280x720@29.97");
  CHECK(whole.name == "HD Webcam");
  CHECK(whole.size == Size{1280, 720});
  CHECK(whole.rate == Rational{2997, 100});
  CHECK(parsed<CameraSpec>("camera@1280x720").size == Size{1280, 720});
  CHECK(parsed<CameraSpec>("camera:@default@15").rate == Rational{15, 1});
  CHECK(parsed<CameraSpec>("camera:portal@640x480").portal);
  CHECK(parsed<CameraSpec>("camera:a@b").name == "a@b");
  for (const char* text : {"camera", "camera:v4l2_input.pci-0000_00_14.0-usb-0_1_1.0", "camera:portal@1280x720@30",
                           "camera:@default@30", "camera:x@1920x1080"}) {
    CHECK(to_string(*parse_source(text)) == text);
  }
  CHECK(contains(refusal("camera:x@1280y720"), "'@1280y720' is no size or rate"));
  CHECK(contains(refusal("camera:x@0x0"), "'@0x0' is no size"));
  CHECK(contains(refusal("camera:x@30@1280x720"), "no size or rate"));
  CHECK(contains(refusal("camera:a\nb"), "control characters"));
}
