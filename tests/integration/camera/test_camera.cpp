// A virtual camera in a real PipeWire, read as other programs read cameras.
#include "camera_rig.h"

#include "support/temporary_folder.h"
#include "verify/verify.h"

#include <spa/param/video/raw.h>

#include <array>
#include <catch2/generators/catch_generators.hpp>
#include <optional>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

TEST_CASE("every format of a camera shows numbered pictures, with their colour stated", "[camera]") {
  struct Format {
    std::uint32_t id;
    std::uint32_t bytes;
    std::int32_t stride;
    std::uint32_t matrix;
    std::uint32_t range;
  };
  const auto server = pipewire();
  const auto recording = start(of_pattern({"camera:zc-test"}));
  REQUIRE(shown(*recording, "zc-test"));
  CHECK(camera_property("zc-test", "media.role") == "Camera");
  CHECK(camera_property("zc-test", "node.description") == "zc-test");
  constexpr std::uint32_t kPixels = 320 * 240;
  for (const Format& format :
       {Format{SPA_VIDEO_FORMAT_NV12, kPixels * 3 / 2, 320, SPA_VIDEO_COLOR_MATRIX_BT709, SPA_VIDEO_COLOR_RANGE_16_235},
        Format{SPA_VIDEO_FORMAT_I420, kPixels * 3 / 2, 320, SPA_VIDEO_COLOR_MATRIX_BT709, SPA_VIDEO_COLOR_RANGE_16_235},
        Format{SPA_VIDEO_FORMAT_YUY2, kPixels * 2, 640, SPA_VIDEO_COLOR_MATRIX_BT709, SPA_VIDEO_COLOR_RANGE_16_235},
        Format{SPA_VIDEO_FORMAT_BGRx, kPixels * 4, 1280, SPA_VIDEO_COLOR_MATRIX_RGB, SPA_VIDEO_COLOR_RANGE_0_255}}) {
    CameraReader reader({.camera = "zc-test", .formats = {format.id}, .most_rate = {}});
    INFO("format " << format.id << ": " << reader.error());
    REQUIRE(reader.wait_for(20));
    CHECK(reader.format() == format.id);
    CHECK(reader.size().width == 320);
    CHECK(reader.size().height == 240);
    CHECK(reader.matrix() == format.matrix);
    CHECK(reader.range() == format.range);
    const auto pictures = reader.pictures();
    CHECK(pictures.front().bytes == format.bytes);
    CHECK(pictures.front().stride == format.stride);
    check_sound(pictures);
  }
  recording->request_stop();
  const RecordingReport report = recording->finish();
  CHECK(report.encoder.empty());
  CHECK(report.counters.packets == 0);
  REQUIRE(report.outputs.size() == 1);
  CHECK(report.outputs.front().packets >= 80);
  CHECK_FALSE(report.outputs.front().error);
}

TEST_CASE("a reader of few pictures a second gets few", "[camera]") {
  const auto server = pipewire();
  const auto recording = start(of_pattern({"camera:zc-test"}));
  REQUIRE(shown(*recording, "zc-test"));
  CameraReader reader({.camera = "zc-test", .formats = {}, .most_rate = spa_fraction{10, 1}});
  REQUIRE(reader.wait_for(21));
  const auto pictures = reader.pictures();
  check_sound(pictures);
  // Whoever has just come is shown some beyond that.
  constexpr std::size_t kFirst = 10;
  const auto taken = pictures.back().pts - pictures.at(kFirst).pts;
  CHECK(taken >= std::int64_t{80'000'000} * static_cast<std::int64_t>(pictures.size() - kFirst - 2));
}

TEST_CASE("three readers come and go a hundred times", "[camera]") {
  const auto server = pipewire();
  const auto recording = start(of_pattern({"camera:zc-test"}));
  REQUIRE(shown(*recording, "zc-test"));
  std::array<std::unique_ptr<CameraReader>, 3> readers;
  for (std::size_t round = 0; round < 100; ++round) {
    std::unique_ptr<CameraReader>& one = readers.at(round % readers.size());
    if (one) check_sound(one->pictures());
    one.reset();
    one = std::make_unique<CameraReader>(
        ReaderOptions{.camera = "zc-test", .formats = {SPA_VIDEO_FORMAT_NV12}, .most_rate = {}, .looks_for_ms = 3});
    INFO("round " << round << ": " << one->error());
    REQUIRE(one->wait_for(2));
  }
  for (auto& one : readers) {
    const std::size_t before = one->pictures().size();
    REQUIRE(one->wait_for(before + 10));
    check_sound(one->pictures());
  }
  CHECK(camera_status(*recording).stats.viewers == 3);
  for (auto& one : readers) one.reset();
  CHECK(eventually([&] { return camera_status(*recording).stats.viewers == 0; }));
  CHECK(cameras_named("zc-test") == 1);
}

TEST_CASE("a reader that takes none of the formats disturbs nobody", "[camera]") {
  const auto server = pipewire();
  const auto recording = start(of_pattern({"camera:zc-test"}));
  REQUIRE(shown(*recording, "zc-test"));
  CameraReader good({.camera = "zc-test", .formats = {SPA_VIDEO_FORMAT_NV12}, .most_rate = {}});
  REQUIRE(good.wait_for(3));
  CameraReader other({.camera = "zc-test", .formats = {SPA_VIDEO_FORMAT_BGRx}, .most_rate = {}});
  CameraReader stranger({.camera = "zc-test", .formats = {SPA_VIDEO_FORMAT_GRAY8}, .most_rate = {}});
  const std::size_t before = good.pictures().size();
  REQUIRE(good.wait_for(before + 100));
  check_sound(good.pictures());
  CHECK_FALSE(camera_status(*recording).stats.outage);
  CHECK(camera_status(*recording).stats.reconnects == 0);
}

TEST_CASE("somebody who comes to a still picture gets it at once", "[camera]") {
  const auto server = pipewire();
  const auto recording = start(of_pattern({"camera:zc-test"}));
  REQUIRE(shown(*recording, "zc-test"));
  CameraReader first({.camera = "zc-test", .formats = {}, .most_rate = {}});
  REQUIRE(first.wait_for(3));
  recording->set_paused(true);
  REQUIRE(eventually([&] { return recording->status().paused; }));
  CameraReader second({.camera = "zc-test", .formats = {}, .most_rate = {}});
  REQUIRE(second.wait_for(1));
  CHECK(second.pictures().front().mark);
}

TEST_CASE("nothing is made for nobody", "[camera]") {
  const auto server = pipewire();
  const auto recording = start(of_pattern({"camera:zc-test"}));
  REQUIRE(shown(*recording, "zc-test"));
  std::uint64_t made = 0;
  // Pictures that were on their way when it began are made.
  REQUIRE(eventually([&] {
    made = recording->import_times()->count();
    std::this_thread::sleep_for(300ms);
    return recording->import_times()->count() == made;
  }));
  CHECK(camera_status(*recording).stats.packets == 0);
  {
    CameraReader reader({.camera = "zc-test", .formats = {}, .most_rate = {}});
    REQUIRE(reader.wait_for(10));
    CHECK(recording->import_times()->count() > made);
  }
  REQUIRE(eventually([&] {
    made = recording->import_times()->count();
    std::this_thread::sleep_for(300ms);
    return recording->import_times()->count() == made;
  }));
}

TEST_CASE("a file beside a camera loses nothing to a reader that hangs, nor do other readers", "[camera]") {
  const auto server = pipewire();
  const TemporaryFolder folder;
  RecordingOptions options = of_pattern({folder.file("beside.mkv"), "camera:zc-test"}, "test:320x240@30");
  options.live = false;
  options.constant_rate = Rational{30, 1};
  const auto recording = start(std::move(options));
  REQUIRE(shown(*recording, "zc-test"));
  CameraReader hangs({.camera = "zc-test", .formats = {}, .most_rate = {}});
  REQUIRE(hangs.wait_for(3));
  CameraReader keeps({.camera = "zc-test", .formats = {}, .most_rate = {}, .keeps_all = true});
  REQUIRE(keeps.wait_for(2));
  CameraReader good({.camera = "zc-test", .formats = {}, .most_rate = {}});
  REQUIRE(good.wait_for(2));
  hangs.hang();
  const std::size_t before = good.pictures().size();
  CHECK(good.wait_for(before + 60));
  recording->request_stop();
  const RecordingReport report = recording->finish();
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.counters.ring_dropped == 0);
  REQUIRE(report.outputs.size() == 2);
  CHECK(report.outputs.front().dropped == 0);
  CHECK(report.outputs.front().packets == report.counters.taken);
  CHECK(report.outputs.front().packets > 60);
  verify::VerifyOptions look;
  look.input = folder.file("beside.mkv");
  const auto file = verify::verify_stream(look);
  REQUIRE(file);
  CHECK(file->packets == report.counters.packets);
  CHECK(file->decode_errors == 0);
}

TEST_CASE("a file that comes to a camera brings an encoder, and the camera goes on", "[camera]") {
  const auto server = pipewire();
  const TemporaryFolder folder;
  RecordingOptions options = of_pattern({"camera:zc-test"});
  options.outputs_change = true;
  const auto recording = start(std::move(options));
  REQUIRE(shown(*recording, "zc-test"));
  CHECK(recording->status().encoder.empty());
  CHECK_FALSE(recording->codec());
  CameraReader reader({.camera = "zc-test", .formats = {}, .most_rate = {}});
  REQUIRE(reader.wait_for(5));
  const auto added = recording->add_output(output(folder.file("later.mkv")));
  REQUIRE(added);
  REQUIRE(eventually([&] { return recording->status().packets > 30; }));
  CHECK_FALSE(recording->status().encoder.empty());
  const std::size_t before = reader.pictures().size();
  REQUIRE(reader.wait_for(before + 30));
  check_sound(reader.pictures());
  REQUIRE(recording->remove_output("camera:zc-test"));
  CHECK(cameras_named("zc-test") == 0);
  REQUIRE(recording->add_output(output("camera:again")));
  CHECK(eventually([] { return cameras_named("again") == 1; }));
  recording->request_stop();
  CHECK(recording->finish().end == EndReason::Stopped);
  CHECK(std::filesystem::file_size(folder.file("later.mkv")) > 1000);
}

TEST_CASE("PipeWire is killed and comes back, and so does the camera", "[camera]") {
  const auto server = pipewire();
  const auto recording = start(of_pattern({"camera:zc-test"}));
  REQUIRE(shown(*recording, "zc-test"));
  CameraReader before({.camera = "zc-test", .formats = {}, .most_rate = {}});
  REQUIRE(before.wait_for(3));
  server->kill_daemon();
  CHECK(eventually([&] { return camera_status(*recording).stats.outage.has_value(); }));
  REQUIRE(server->restart());
  REQUIRE(eventually([] { return cameras_named("zc-test") == 1; }));
  CameraReader after({.camera = "zc-test", .formats = {}, .most_rate = {}});
  REQUIRE(after.wait_for(10));
  check_sound(after.pictures());
  CHECK(camera_status(*recording).stats.reconnects == 1);
  CHECK_FALSE(camera_status(*recording).stats.outage);
}

TEST_CASE("what a camera cannot show is refused", "[camera]") {
  const auto server = pipewire();
  SECTION("HDR") {
    RecordingOptions options = of_pattern({"camera:zc-test"});
    options.encoder.colour.transfer = TransferFunction::PQ;
    const auto refused = Recording::start(std::move(options), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().error.kind == ErrorKind::Unsupported);
  }
  SECTION("sound") {
    RecordingOptions options = of_pattern({"camera:zc-test"});
    options.audio.inputs.push_back({.source = parse_audio_source("test").value()});
    const auto refused = Recording::start(std::move(options), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().error.message().contains("a camera has no sound"));
  }
  SECTION("without PipeWire") {
    server->kill_daemon();
    const auto refused = Recording::start(of_pattern({"camera:zc-test"}), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().part == Part::Output);
    CHECK(refused.error().error.message().contains("PipeWire is not running"));
  }
}
