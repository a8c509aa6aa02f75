// What `sources`, `encoders` and `record` print.
#include "cli/encoders_report.h"
#include "cli/record_report.h"
#include "cli/session_report.h"
#include "cli/sources_report.h"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace zc;

namespace {

VideoNode camera() {
  return {.id = 40,
          .serial = 77,
          .name = "v4l2_input.usb",
          .description = "Webcam",
          .media_class = "Video/Source",
          .kind = VideoNode::Kind::Camera,
          .formats = {{PixelFormat::YUY2, {320, 240}, {640, 480}, {30, 1}, false},
                      {PixelFormat::NV12, {1920, 1080}, {1920, 1080}, {30, 1}, true},
                      {PixelFormat::NV12, {1920, 1080}, {1920, 1080}, {30, 1}, false}}};
}

VideoNode compositor() {
  return {.id = 52,
          .serial = 90,
          .name = "weston.pipewire",
          .description = "weston.pipewire",
          .media_class = "Video/Source",
          .kind = VideoNode::Kind::Compositor,
          .formats = {}};
}

std::vector<EncoderReport> encoders() {
  std::vector<EncoderReport> reports;
  for (const EncoderRow& row : encoder_rows()) reports.push_back({.row = &row, .usable = true, .reason = {}});
  reports.back().usable = false;
  reports.back().reason = "it does not feel like it";
  return reports;
}

}  // namespace

TEST_CASE("a node is named in the shortest way that names it alone") {
  const VideoNode one = camera();
  CHECK(source_text(one, {one, compositor()}) == "camera:v4l2_input.usb");
  VideoNode twin = one;
  twin.id = 41;
  twin.serial = 78;
  CHECK(source_text(twin, {one, twin}) == "node:serial=78");
  VideoNode number = one;
  number.name = "x@640x480";  // would read as a size
  CHECK(source_text(number, {number}) == "node:x@640x480");
  VideoNode nameless = one;
  nameless.name = "";
  CHECK(source_text(nameless, {nameless}) == "node:serial=77");
  VideoNode screen = compositor();
  screen.name = "52";  // would read as an id
  CHECK(source_text(screen, {screen}) == "node:serial=90");
}

TEST_CASE("the sources of a desktop") {
  const SourcesReport report{
      .portal = PortalAbilities{.version = 4, .source_types = 1 | 2, .cursor_modes = 1 | 2},
      .nodes = std::vector{camera(), compositor()},
      .sound = std::vector{
          AudioNode{.kind = AudioNode::Kind::Input, .source = "alsa_input.usb", .description = "Headset"},
          AudioNode{.kind = AudioNode::Kind::Application, .source = "app:Firefox", .description = "Firefox"}}};
  CHECK(sources_text(report) ==
        "SOURCE                 KIND        SIZE                  FPS  FORMATS           WHAT\n"
        "portal                 portal                                                   the desktop asks: monitor, "
        "window; pointer hidden, embedded\n"
        "camera:v4l2_input.usb  camera      320x240 to 1920x1080  30   YUY2,NV12+dmabuf  Webcam\n"
        "node:weston.pipewire   compositor                                               weston.pipewire\n"
        "test                   pattern                                                  synthetic pattern, needs no "
        "desktop\n"
        "\n"
        "SOUND           KIND         WHAT\n"
        "desktop         default      what the default output plays\n"
        "mic             default      the default input\n"
        "alsa_input.usb  input        Headset\n"
        "app:Firefox     application  Firefox\n"
        "test            pattern      beeps that tell their time\n");
  const auto json = nlohmann::json::parse(sources_json(report));
  REQUIRE(json["sources"].size() == 4);
  CHECK(json["problems"].empty());
  CHECK(json["sources"][0]["types"] == nlohmann::json{"monitor", "window"});
  CHECK(json["sources"][1]["source"] == "camera:v4l2_input.usb");
  CHECK(json["sources"][1]["formats"][0]["max_size"]["width"] == 640);
  CHECK(json["sources"][1]["formats"][0]["max_fps"] == 30.0);
  CHECK(json["sources"][1]["formats"][1]["dmabuf"] == true);
  CHECK(json["sources"][3]["source"] == "test");
  REQUIRE(json["sound"].size() == 5);
  CHECK(json["sound"][3]["source"] == "app:Firefox");
}

TEST_CASE("what is missing is said, and the test pattern is always there") {
  const SourcesReport report{.portal = fail(ErrorKind::NotFound, "reach the desktop portal", "no session bus"),
                             .nodes = fail(ErrorKind::NotFound, "connect to PipeWire", "it is not running"),
                             .sound = fail(ErrorKind::NotFound, "connect to PipeWire", "it is not running")};
  CHECK(sources_text(report) ==
        "SOURCE  KIND     SIZE  FPS  FORMATS  WHAT\n"
        "test    pattern                      synthetic pattern, needs no desktop\n"
        "\n"
        "SOUND  KIND     WHAT\n"
        "test   pattern  beeps that tell their time\n"
        "portal: reach the desktop portal: no session bus\n"
        "PipeWire: connect to PipeWire: it is not running\n");
  const auto json = nlohmann::json::parse(sources_json(report));
  CHECK(json["sources"].size() == 1);
  CHECK(json["problems"].size() == 2);
}

TEST_CASE("a portal without a backend cannot capture") {
  const SourcesReport report{.portal = PortalAbilities{.version = 5, .source_types = 0, .cursor_modes = 0},
                             .nodes = std::vector<VideoNode>{}};
  CHECK(sources_text(report).find("portal: it has nothing to capture") != std::string::npos);
  CHECK(nlohmann::json::parse(sources_json(report))["sources"].size() == 1);
}

TEST_CASE("what the compositor gives without the portal, and what that needs") {
  SourcesReport report{.portal = PortalAbilities{}, .nodes = std::vector<VideoNode>{}};
  report.desktop.sources = {{.source = "wayland:DP-1",
                             .kind = "output",
                             .size = {2560, 1440},
                             .rate = 59.94,
                             .way = "no dialog; wlr-screencopy",
                             .description = "A monitor"},
                            {.source = "kwin:virtual:WxH", .kind = "virtual", .way = "no dialog; zkde-screencast"}};
  report.desktop.problems = {"KWin: it needs the desktop file"};
  const std::string text = sources_text(report);
  CHECK(text.find("wayland:DP-1      output   2560x1440  59.94           A monitor (no dialog; wlr-screencopy)\n") !=
        std::string::npos);
  CHECK(text.find("kwin:virtual:WxH  virtual                             no dialog; zkde-screencast\n") !=
        std::string::npos);
  CHECK(text.find("KWin: it needs the desktop file\n") != std::string::npos);
  const auto json = nlohmann::json::parse(sources_json(report));
  REQUIRE(json["sources"].size() == 3);
  CHECK(json["sources"][0]["source"] == "wayland:DP-1");
  CHECK(json["sources"][0]["size"]["width"] == 2560);
  CHECK(json["sources"][0]["fps"] == 59.94);
  CHECK(json["sources"][0]["needs"] == "no dialog; wlr-screencopy");
  CHECK(json["sources"][1]["size"].is_null());
  CHECK(json["sources"][1]["fps"].is_null());
}

TEST_CASE("a camera's modes and controls are listed for scripts") {
  VideoNode node = camera();
  OfferedFormat jpeg;
  jpeg.coded = CodedFormat::Mjpeg;
  jpeg.sizes = {{1280, 720}};
  jpeg.rates = {{30, 1}, {15, 1}};
  node.modes = {jpeg};
  node.controls = {{.name = "Brightness", .value = 7, .preferred = 0, .min = -64, .max = 64},
                   {.name = "Auto Exposure", .value = 1, .preferred = 1, .min = 0, .max = 0}};
  const SourcesReport report{.portal = PortalAbilities{}, .nodes = std::vector{node}, .sound = {}};
  const auto json = nlohmann::json::parse(sources_json(report))["sources"][0];
  REQUIRE(json["modes"].size() == 1);
  CHECK(json["modes"][0] == nlohmann::json::parse(R"({"format": "MJPEG", "size": {"width": 1280, "height": 720},
                                                      "fps": [30.0, 15.0], "dmabuf": false})"));
  REQUIRE(json["controls"].size() == 2);
  CHECK(json["controls"][0] ==
        nlohmann::json::parse(R"({"name": "Brightness", "value": 7.0, "default": 0.0, "min": -64.0, "max": 64.0})"));
  CHECK_FALSE(json["controls"][1].contains("min"));
}

TEST_CASE("names of other programs that are no text do not break the JSON") {
  VideoNode node = camera();
  node.description = "bad \xff\xfe bytes\n";
  const SourcesReport report{.portal = PortalAbilities{}, .nodes = std::vector{node}};
  CHECK(nlohmann::json::parse(sources_json(report))["sources"].size() == 2);
  CHECK(sources_json(report).find('\n') == sources_json(report).size() - 1);
}

TEST_CASE("the encoders, and why one is not usable") {
  const auto reports = encoders();
  const std::string text = encoders_text(reports);
  CHECK(text.starts_with("ENCODER"));
  CHECK(text.find("it does not feel like it\n") != std::string::npos);
  for (const EncoderReport& report : reports) CHECK(text.find(report.row->name) != std::string::npos);
  const auto json = nlohmann::json::parse(
      encoders_json({.json = true, .size = {640, 480}, .bit_depth = 10, .chroma = Chroma::Yuv444}, reports));
  CHECK(json["width"] == 640);
  CHECK(json["chroma"] == "444");
  REQUIRE(json["encoders"].size() == reports.size());
  CHECK(json["encoders"][0]["usable"] == true);
  CHECK(json["encoders"].back()["usable"] == false);
  CHECK(json["encoders"].back()["reason"] == "it does not feel like it");
}

TEST_CASE("a recording tells which encoders it had, what changing them took and what the ring lost") {
  using namespace std::chrono_literals;
  RecordingReport report;
  report.encoder = "libx264";
  CHECK(nlohmann::json::parse(report_json(report)).contains("failovers") == false);
  report.counters.first_picture = true;
  report.counters.encode_queue_size = 4;
  report.counters.ring_dropped = 3;
  report.counters.reopens = 1;
  report.counters.gpu_encoder_load = 0.25;
  report.failed_encoders = {"h264_nvenc"};
  report.passed_over = {{"h264_vaapi", "open h264_vaapi: there is no render node"}};
  report.failovers = {{.failed = "h264_nvenc",
                       .reason = "the device is lost",
                       .encoder = "libx264",
                       .opened = 12ms,
                       .resumed = 15ms,
                       .first_packet = 14500us}};
  const auto json = nlohmann::json::parse(report_json(report));
  CHECK(json["encoder"] == "libx264");
  CHECK(json["failed_encoders"] == nlohmann::json{"h264_nvenc"});
  CHECK(json["passed_over"] ==
        nlohmann::json::array({{{"encoder", "h264_vaapi"}, {"reason", "open h264_vaapi: there is no render node"}}}));
  CHECK(json["failovers"] == nlohmann::json::array({{{"failed", "h264_nvenc"},
                                                     {"reason", "the device is lost"},
                                                     {"encoder", "libx264"},
                                                     {"open_ms", 12.0},
                                                     {"resumed_ms", 15.0},
                                                     {"first_packet_ms", 14.5}}}));
  CHECK(json["ring_frames"] == 4);
  CHECK(json["ring_dropped"] == 3);
  CHECK(json["reopens"] == 1);
  CHECK(json["gpu_encoder_load"] == 0.25);
}

namespace {

std::vector<Setting> sink(const char* name, const char* state, const char* error = "", std::int64_t viewers = 0,
                          const char* watch = "") {
  return {{"name", std::string(name), {}}, {"state", std::string(state), {}}, {"error", std::string(error), {}},
          {"viewers", viewers, {}},        {"watch", std::string(watch), {}}, {"id", std::int64_t{7}, {}}};
}

SessionView session_to(std::vector<std::vector<Setting>> sinks) {
  SessionView session;
  session.name = "show";
  session.state = "recording";
  session.statistics = {{"encoder_frames_per_second", 29.9, {}}};
  for (const auto& one : sinks) session.sinks.push_back(std::get<std::string>(one.front().value));
  session.sink_statistics = std::move(sinks);
  return session;
}

/// What stands below the table.
std::string notes(const SessionView& session) {
  const std::string text = sessions_text(std::span(&session, 1), true);
  return text.substr(text.find('\n', text.find('\n') + 1) + 1);
}

}  // namespace

TEST_CASE("a session whose peer is not there does not look as if it were") {
  CHECK(notes(session_to({sink("/show.mkv", "running"), sink("udp://h:1", "closed")})).empty());
  const SessionView dead =
      session_to({sink("/show.mkv", "running"), sink("srt://192.0.2.7:9", "opening"),
                  sink("tcp://192.0.2.7:9", "backing off", "connect to tcp://192.0.2.7:9: Connection refused"),
                  sink("/full.mkv", "failed", "write /full.mkv: No space left on device")});
  CHECK(notes(dead) ==
        "show: srt://192.0.2.7:9 is not connected\n"
        "show: tcp://192.0.2.7:9 is not connected: connect to tcp://192.0.2.7:9: Connection refused\n"
        "show: /full.mkv has failed: write /full.mkv: No space left on device\n");
  const std::string all = session_text(dead);
  CHECK(all.find("sink 7                  /show.mkv\n") != std::string::npos);
  CHECK(all.find("sink 7                  srt://192.0.2.7:9 is not connected\n") != std::string::npos);
  CHECK(all.find("sink 7                  /full.mkv has failed: write /full.mkv: No space") != std::string::npos);
}

TEST_CASE("a listener has viewers or waits for them, and says what they type") {
  const char* const watch = "ffplay 'srt://192.0.2.7:9000'";
  const auto listener = [&](const char* state, std::int64_t viewers, const char* error = "") {
    return session_to({sink("srt://:9000", state, error, viewers, watch)});
  };
  const std::string how = std::string("; watch: ") + watch + "\n";
  CHECK(notes(listener("opening", 0)) == "show: srt://:9000 waits for viewers" + how);
  CHECK(notes(listener("running", 1)) == "show: srt://:9000 has 1 viewer" + how);
  CHECK(notes(listener("running", 2)) == "show: srt://:9000 has 2 viewers" + how);
  CHECK(notes(listener("backing off", 0, "no address")) == "show: srt://:9000 is not connected: no address" + how);
  const std::string all = session_text(listener("running", 2));
  CHECK(all.find("sink 7                  srt://:9000 has 2 viewers\n") != std::string::npos);
  CHECK(all.find(std::string("watch                   ") + watch + "\n") != std::string::npos);
  CHECK(watch_text(listener("opening", 0)) == std::string("watch: ") + watch + "\n");
  CHECK(watch_text(session_to({sink("/show.mkv", "running")})).empty());
}

TEST_CASE("a session that is stopped says what came of each sink, and fails when one did") {
  const std::string whole =
      R"({"outputs": [{"name": "/a.mkv", "packets": 30}, {"name": "/b.mkv", "packets": 9, "further_files": ["/b-2.mkv"]},
                      {"name": "srt://:9000", "packets": 0}]})";
  CHECK(stopped_text(whole) == "/a.mkv: 30 packets\n/b.mkv: 9 packets\n/b-2.mkv\nsrt://:9000: no packets\n");
  CHECK(stopped_exit(whole) == ExitCode::Ok);
  const std::string dead =
      R"({"outputs": [{"name": "/a.mkv", "packets": 30, "error": "disk full"},
                      {"name": "srt://h:9", "packets": 0, "error": "connect to srt://h:9: Input/output error"}]})";
  CHECK(stopped_text(dead) ==
        "/a.mkv: 30 packets, then disk full\nsrt://h:9: no packets: connect to srt://h:9: Input/output error\n");
  CHECK(stopped_exit(dead) == ExitCode::Output);
  for (const char* nothing : {"", "{}", "[]", "nonsense"}) {
    CHECK(stopped_text(nothing).empty());
    CHECK(stopped_exit(nothing) == ExitCode::Ok);
  }
}
