// Whole recordings of the synthetic source: every picture's number is read back from the file.
#include "session/recording.h"

#include "support/temporary_folder.h"
#include "tools/decode.h"
#include "tools/frame_report.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <filesystem>
#include <fstream>

using namespace zc;
using test::TemporaryFolder;
using namespace std::chrono_literals;

namespace {

RecordingOptions options(std::string_view source, const std::string& file) {
  RecordingOptions o;
  o.source = parse_source(source).value();
  o.outputs.push_back(parse_output(file, std::nullopt, false).value());
  o.encoder.options = {{"preset", "ultrafast"}};
  return o;
}

RecordingReport record(RecordingOptions o) {
  auto recording = Recording::start(std::move(o), {});
  REQUIRE(recording);
  REQUIRE((*recording)->wait(60s));
  return (*recording)->finish();
}

test::FrameReport check(const std::string& file, Size painted = {}) {
  auto decoder = test::Decoder::open(file);
  REQUIRE(decoder);
  auto report = test::check_frames(std::move(*decoder), painted);
  REQUIRE(report);
  return *report;
}

}  // namespace

TEST_CASE("a recording holds every picture of its source, in order") {
  const TemporaryFolder folder;
  const std::string file = folder.file("all.mkv");
  const RecordingReport report = record(options("test:320x240@30,frames=45", file));
  CHECK(report.end == EndReason::SourceEnded);
  CHECK(report.encoder == "libx264");
  CHECK(report.route == "cpu");
  const test::FrameReport frames = check(file);
  CHECK(frames.decode_errors == 0);
  CHECK(frames.marked == frames.frames);
  CHECK(frames.out_of_order == 0);
  CHECK(frames.pts_not_rising == 0);
  // A busy machine may lose pictures before the encoder is open and drop some later; every other one is in the file.
  CHECK(report.counters.captured <= report.source_stats.delivered);
  CHECK(frames.distinct == report.counters.captured - report.counters.dropped);
  CHECK(frames.frames == report.counters.packets);
  CHECK(frames.colour.matrix == ColourMatrix::BT709);
}

TEST_CASE("a static source yields its minimum rate and a whole last second") {
  const TemporaryFolder folder;
  const std::string file = folder.file("static.mkv");
  RecordingOptions o = options("test:320x240@30,static", file);
  o.min_rate = 4;
  o.duration = 2s;
  const RecordingReport report = record(std::move(o));
  CHECK(report.end == EndReason::Duration);
  const test::FrameReport frames = check(file);
  CHECK(frames.distinct == 1);
  CHECK(frames.frames >= 8);
  CHECK(frames.max_gap_seconds < 0.3);
  CHECK(frames.last_seconds > 1.9);
}

TEST_CASE("constant rate gives exactly its number of pictures") {
  const TemporaryFolder folder;
  const std::string file = folder.file("constant.mp4");
  RecordingOptions o = options("test:320x240@60", file);
  o.constant_rate = Rational{30, 1};
  o.duration = 2s;
  const RecordingReport report = record(std::move(o));
  const test::FrameReport frames = check(file);
  CHECK(frames.frames == 60);
  CHECK(report.counters.packets == 60);
  CHECK(frames.max_gap_seconds < 0.04);
}

TEST_CASE("a size change goes on in the size the recording began with") {
  const TemporaryFolder folder;
  const std::string file = folder.file("resize.mkv");
  const RecordingReport report = record(options("test:320x240@30,frames=40,resize=480x360@20", file));
  CHECK(report.size == Size{320, 240});
  const test::FrameReport frames = check(file);
  CHECK(frames.media.size == Size{320, 240});
  CHECK(frames.frames == report.counters.packets);
  CHECK(frames.distinct > 0);
  CHECK(frames.decode_errors == 0);
}

TEST_CASE("the coded size follows a source that has changed its own, and every picture is there") {
  const TemporaryFolder folder;
  const std::string extension = GENERATE(".mkv", ".mp4", ".ts");
  const std::string codec = GENERATE("libx264", "libx265");
  CAPTURE(extension, codec);
  const std::string file = folder.file("follow" + extension);
  // As a window's edge is dragged, then half a second of stillness; numbers stay legible where they are scaled.
  RecordingOptions o = options(
      "test:256x128@30,frames=110,resize=240x120@20,resize=224x112@22,resize=208x104@24,resize=160x80@26,"
      "resize=128x64@28,resize=192x96@70",
      file);
  o.encoder.encoder = codec;
  o.follow_size = true;
  const RecordingReport report = record(std::move(o));
  CHECK(report.end == EndReason::SourceEnded);
  CHECK(report.size == Size{192, 96});
  CHECK(report.counters.reopens == 2);
  CHECK(report.counters.failovers == 0);
  REQUIRE(report.outputs.size() == 1);
  CHECK_FALSE(report.outputs[0].error);
  std::vector<std::string> files{file};
  std::vector<Size> sizes{{256, 128}};
  if (extension != ".ts") {
    files = {file, folder.file("follow-2" + extension), folder.file("follow-3" + extension)};
    sizes = {{256, 128}, {128, 64}, {192, 96}};
  }
  REQUIRE(report.outputs[0].further_files == std::vector(files.begin() + 1, files.end()));
  std::uint64_t pictures = 0;
  std::uint64_t distinct = 0;
  std::uint64_t made_again = 0;
  std::optional<std::uint32_t> last;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const test::FrameReport frames = check(files[i]);
    if (files.size() > 1) CHECK(frames.media.size == sizes[i]);  // MPEG-TS has none but its pictures'
    CHECK(frames.decode_errors == 0);
    CHECK(frames.marked == frames.frames);
    CHECK(frames.out_of_order == 0);
    CHECK(frames.pts_not_rising == 0);
    // Each picture that a busy machine loses is a thirtieth of a second, and is counted.
    const std::uint64_t lost = report.counters.dropped + report.source_stats.skipped;
    CHECK(frames.max_gap_seconds < 1 + static_cast<double>(lost) / 30);
    // Where the next one is late, the newest picture is made again in the new size.
    const bool again = last && frames.first_mark == last;
    if (last && !again) CHECK(frames.first_mark.value_or(0) > *last);
    last = frames.last_mark;
    pictures += frames.frames;
    distinct += frames.distinct - (again ? 1 : 0);
    made_again += again ? 1 : 0;
  }
  CHECK(pictures == report.counters.packets);
  CHECK(made_again <= report.counters.repeated);
  CHECK(distinct == report.counters.captured - report.counters.dropped);
}

TEST_CASE("a wanted size stays whatever the source does") {
  const TemporaryFolder folder;
  const std::string file = folder.file("wanted.mkv");
  RecordingOptions o = options("test:256x128@30,frames=50,resize=128x64@10", file);
  o.size = Size{192, 96};
  o.follow_size = true;
  const RecordingReport report = record(std::move(o));
  CHECK(report.size == Size{192, 96});
  CHECK(report.outputs.at(0).further_files.empty());
  CHECK(check(file).frames == report.counters.packets);
}

namespace {

constexpr ColourDescription kPq{ColourMatrix::BT2020, ColourRange::Limited, ColourPrimaries::BT2020,
                                TransferFunction::PQ};

}  // namespace

TEST_CASE("a transfer function that the pictures have not is refused before anything is recorded") {
  struct Case {
    std::string_view source;
    ColourDescription colour;
  };
  const Case test = GENERATE(Case{"test:320x240@30", kPq}, Case{"test:320x240@30,transfer=hlg", kBt709Limited},
                             Case{"test:320x240@30,transfer=hlg", kPq});
  CAPTURE(test.source);
  const TemporaryFolder folder;
  const std::string file = folder.file("label.mkv");
  RecordingOptions o = options(test.source, file);
  o.encoder.colour = test.colour;
  const RecordingReport report = record(std::move(o));
  CHECK(report.end == EndReason::Failed);
  REQUIRE(report.failure);
  CHECK(report.failure->part == Part::Settings);
  CHECK(report.failure->error.kind == ErrorKind::Invalid);
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("HDR pictures keep their transfer function, and ten bits are asked for") {
  const TemporaryFolder folder;
  const std::string file = folder.file("pq.mkv");
  RecordingOptions o = options("test:320x240@30,frames=20,transfer=pq", file);
  o.encoder.encoder = "libx265";
  o.encoder.bit_depth = 10;
  o.encoder.colour = kPq;
  const RecordingReport report = record(std::move(o));
  CHECK(report.end == EndReason::SourceEnded);
  CHECK(report.source.format == PixelFormat::xRGB_210LE);
  const test::FrameReport frames = check(file);
  CHECK(frames.colour == kPq);
  CHECK(frames.bit_depth == 10);
  CHECK(frames.marked == frames.frames);
}

TEST_CASE("odd pictures are cut to even ones, not scaled") {
  const TemporaryFolder folder;
  const std::string file = folder.file("odd.mkv");
  const RecordingReport report = record(options("test:321x241@30,frames=10", file));
  CHECK(report.size == Size{320, 240});
  const test::FrameReport frames = check(file, Size{321, 241});
  CHECK(frames.marked == frames.frames);
}

TEST_CASE("an output that cannot be opened starts nothing") {
  const TemporaryFolder folder;
  auto recording = Recording::start(options("test:320x240@30", folder.file("no/such/folder.mkv")), {});
  REQUIRE_FALSE(recording);
  CHECK(recording.error().part == Part::Output);
}

TEST_CASE("a codec its container cannot hold is refused before anything is written") {
  const TemporaryFolder folder;
  RecordingOptions o = options("test:320x240@30", folder.file("x.ts"));
  o.encoder.codec = Codec::AV1;
  const auto recording = Recording::start(std::move(o), {});
  REQUIRE_FALSE(recording);
  CHECK_FALSE(std::filesystem::exists(folder.file("x.ts")));
}

TEST_CASE("zero-copy that is required and not there refuses to run") {
  const TemporaryFolder folder;
  RecordingOptions o = options("test:320x240@30", folder.file("x.mkv"));
  o.toggles.zerocopy = ZerocopyMode::Required;
  const auto recording = Recording::start(std::move(o), {});
  REQUIRE_FALSE(recording);
  CHECK(recording.error().error.kind == ErrorKind::Unsupported);
  CHECK_FALSE(std::filesystem::exists(folder.file("x.mkv")));
}

TEST_CASE("a stop request finishes the file") {
  const TemporaryFolder folder;
  const std::string file = folder.file("stopped.mp4");
  auto recording = Recording::start(options("test:320x240@30", file), {});
  REQUIRE(recording);
  while ((*recording)->status().packets < 5) REQUIRE_FALSE((*recording)->wait(10ms));
  (*recording)->request_stop();
  CHECK((*recording)->wait(10s));
  const RecordingReport report = (*recording)->finish();
  CHECK(report.end == EndReason::Stopped);
  CHECK(check(file).frames == report.counters.packets);
}

TEST_CASE("every output gets every packet") {
  const TemporaryFolder folder;
  RecordingOptions o = options("test:320x240@30,frames=20", folder.file("a.mkv"));
  o.outputs.push_back(parse_output(folder.file("b.mp4"), std::nullopt, false).value());
  const RecordingReport report = record(std::move(o));
  REQUIRE(report.outputs.size() == 2);
  CHECK(check(folder.file("a.mkv")).frames == report.counters.packets);
  CHECK(check(folder.file("b.mp4")).frames == report.counters.packets);
}

namespace {

void wait_for_packets(Recording& recording, std::uint64_t packets) {
  for (int tries = 0; tries < 6000 && recording.status().packets < packets; ++tries) {
    if (recording.wait(10ms)) break;
  }
}

}  // namespace

TEST_CASE("settings are changed while recording, and the file holds every picture") {
  const TemporaryFolder folder;
  const std::string codec = GENERATE("libx264", "libx265");
  const std::string file = folder.file("changed.mkv");
  RecordingOptions o = options("test:320x240@30", file);
  o.encoder.encoder = codec;
  o.encoder.preset = Preset::LowLatency;
  o.encoder.bit_rate = 300'000;
  o.constant_rate = Rational{30, 1};
  auto recording = Recording::start(std::move(o), {});
  REQUIRE(recording);
  Recording& running = **recording;
  CHECK(running.set_bitrate(400'000));  // before the first picture as well
  CHECK(running.set_bitrate(1).error().kind == ErrorKind::Invalid);
  CHECK(running.set_rate({0, 1}).error().kind == ErrorKind::Invalid);
  wait_for_packets(running, 10);
  REQUIRE(running.metrics() != nullptr);
  const std::uint64_t keyframes = running.metrics()->keyframes;
  running.request_keyframe();
  wait_for_packets(running, 20);
  CHECK(running.metrics()->keyframes > keyframes);
  CHECK(running.set_bitrate(800'000));
  CHECK(running.set_rate({15, 1}));
  wait_for_packets(running, 35);
  const RecordingStatus status = running.status();
  CHECK(status.encoder == codec);
  CHECK(status.encode_queue_size == 10);
  running.request_stop();
  const RecordingReport report = running.finish();
  CHECK(report.end == EndReason::Stopped);
  CHECK(report.counters.failovers == 0);
  if (codec == "libx265") CHECK(report.counters.reopens >= 1);
  const test::FrameReport frames = check(file);
  CHECK(frames.decode_errors == 0);
  CHECK(frames.frames == report.counters.packets);
  CHECK(frames.out_of_order == 0);
  CHECK(frames.pts_not_rising == 0);
}

TEST_CASE("a bit rate that needs other parameter sets: where the container takes them, and refused where it does not") {
  const TemporaryFolder folder;
  const bool takes = GENERATE(true, false);
  const std::string file = folder.file(takes ? "takes.mkv" : "keeps.mp4");
  RecordingOptions o = options("test:320x240@30", file);
  o.encoder.encoder = "libx264";
  o.encoder.preset = Preset::LowLatency;
  o.encoder.bit_rate = 300'000;
  o.encoder.rate_control = RateControl::Cbr;  // x264 states its buffer in the parameter sets
  auto recording = Recording::start(std::move(o), {});
  REQUIRE(recording);
  Recording& running = **recording;
  wait_for_packets(running, 60);
  const std::uint64_t before = running.status().bytes;
  const std::uint64_t packets = running.status().packets;
  const auto changed = running.set_bitrate(1'200'000);
  CHECK(changed.has_value() == takes);
  if (!takes) CHECK(changed.error().kind == ErrorKind::Unsupported);
  const RecordingStatus between = running.status();
  wait_for_packets(running, between.packets + 60);
  const RecordingStatus status = running.status();
  running.request_stop();
  const RecordingReport report = running.finish();
  CHECK(report.outputs.front().further_files.empty());
  CHECK(report.counters.reopens == (takes ? 1 : 0));
  const double first = static_cast<double>(before) / static_cast<double>(packets);
  const double second =
      static_cast<double>(status.bytes - between.bytes) / static_cast<double>(status.packets - between.packets);
  CAPTURE(first, second);
  if (takes) CHECK(second > 2 * first);
  if (!takes) CHECK(second < 1.5 * first);
  const test::FrameReport frames = check(file);
  CHECK(frames.decode_errors == 0);
  CHECK(frames.frames == report.counters.packets);
}

TEST_CASE("what a recording does not have cannot be changed") {
  const TemporaryFolder folder;
  auto recording = Recording::start(options("test:320x240@30", folder.file("quality.mkv")), {});
  REQUIRE(recording);
  CHECK((*recording)->set_bitrate(1'000'000).error().kind == ErrorKind::Unsupported);
  CHECK((*recording)->set_rate({10, 1}).error().kind == ErrorKind::Unsupported);
  (*recording)->request_keyframe();
  (*recording)->request_stop();
  static_cast<void>((*recording)->finish());
}

TEST_CASE("a ring of the wanted size and policy; one that is too large for the pool is cut") {
  const TemporaryFolder folder;
  RecordingOptions o = options("test:320x240@30,frames=20", folder.file("ring.mkv"));
  o.ring_frames = 2;
  o.ring_policy = RingPolicy::DropOldest;
  CHECK(record(std::move(o)).counters.encode_queue_size == 2);
  RecordingOptions large = options("test:320x240@30,frames=5", folder.file("large.mkv"));
  large.ring_frames = 500;
  const RecordingReport report = record(std::move(large));
  CHECK(report.counters.encode_queue_size < 64);
  CHECK(report.counters.encode_queue_size > 32);
}
