#include "output/file_sink.h"

#include "media_support.h"

#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace zc;
using namespace zc::test;
using Catch::Matchers::WithinAbs;
namespace fs = std::filesystem;

namespace {

OutputSpec file_spec(const std::string& path, Container container, bool overwrite = false) {
  return {.container = container, .target = FileOutput{.path = path, .overwrite = overwrite}};
}

void record(const std::string& path, Container container, const TestStream& stream) {
  auto sink = FileSink::create(file_spec(path, container));
  REQUIRE(sink);
  REQUIRE((*sink)->open(stream.parameters));
  for (const Packet& packet : stream.packets) REQUIRE((*sink)->write(packet));
  REQUIRE((*sink)->close());
  CHECK((*sink)->close());
}

/// Half a tick of the container's clock: Matroska's is a millisecond.
std::int64_t tolerance(Container container) { return container == Container::Mkv ? 45 : 0; }

void check_same(const TestStream& stream, const ReadMedia& media, Container container) {
  REQUIRE(media.error.empty());
  REQUIRE(media.packets.size() == stream.packets.size());
  CHECK(media.size == stream.parameters.size);
  CHECK(media.decode_errors == 0);
  CHECK(media.frame_pts.size() == stream.packets.size());
  const std::int64_t shift = media.packets.front().pts - stream.packets.front().pts;
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < stream.packets.size(); ++i) {
    const std::int64_t difference = media.packets[i].pts - stream.packets[i].pts - shift;
    if (std::abs(difference) > 2 * tolerance(container) || media.packets[i].keyframe != stream.packets[i].keyframe) {
      ++wrong;
    }
  }
  CHECK(wrong == 0);
  // When pictures are reordered, MPEG-TS cannot count from zero.
  if (container != Container::Ts || !stream.parameters.has_b_frames) CHECK(shift == 0);
}

/// Bursts and gaps of a damage-driven source: 8 ms to 700 ms.
std::int64_t variable_pts(unsigned n) {
  static const std::vector<std::int64_t> times = [] {
    std::vector<std::int64_t> result;
    std::int64_t now = 0;
    for (unsigned i = 0; i < 2000; ++i) {
      result.push_back(now);
      now += i % 37 == 36 ? 63'000 : 720 + static_cast<std::int64_t>(i * 7919 % 2300);
    }
    return result;
  }();
  return times.at(n);
}

}  // namespace

TEST_CASE("every container gives back every codec it takes") {
  const TemporaryFolder dir;
  for (const Codec codec : {Codec::H264, Codec::HEVC, Codec::AV1}) {
    const TestStream stream = make_stream({.codec = codec, .frames = 90, .gop = 30});
    for (const ContainerInfo& row : containers()) {
      CAPTURE(to_string(codec), row.name);
      const std::string path = dir.file(std::string(to_string(codec)) + "." + std::string(row.name));
      if (!check_codec(row.container, codec)) {
        auto sink = FileSink::create(file_spec(path, row.container));
        REQUIRE(sink);
        const auto opened = (*sink)->open(stream.parameters);
        REQUIRE_FALSE(opened);
        CHECK(opened.error().kind == ErrorKind::Unsupported);
        sink->reset();
        CHECK_FALSE(fs::exists(path));
        continue;
      }
      record(path, row.container, stream);
      const ReadMedia media = read_media(path);
      check_same(stream, media, row.container);
      CHECK(media.has_extradata);
      CHECK(media.matrix == 1);  // ITU-T H.273: BT.709
      CHECK(media.primaries == 1);
      CHECK(media.transfer == 1);
      CHECK(media.range == 1);  // AVCOL_RANGE_MPEG
      CHECK_THAT(media.duration, WithinAbs(1.5, 0.05));
    }
  }
}

TEST_CASE("variable frame times and B-frames survive") {
  const TemporaryFolder dir;
  for (const bool b_frames : {false, true}) {
    const TestStream stream = make_stream({.frames = 400, .b_frames = b_frames, .pts = variable_pts});
    for (const ContainerInfo& row : containers()) {
      CAPTURE(row.name, b_frames);
      const std::string path = dir.file((b_frames ? "b." : "p.") + std::string(row.name));
      record(path, row.container, stream);
      check_same(stream, read_media(path), row.container);
    }
  }
}

TEST_CASE("flushing at any moment moves no timestamp") {
  const TemporaryFolder dir;
  for (const bool b_frames : {false, true}) {
    const TestStream stream = make_stream({.frames = 200, .b_frames = b_frames, .pts = variable_pts});
    for (const ContainerInfo& row : containers()) {
      CAPTURE(row.name, b_frames);
      const std::string path = dir.file((b_frames ? "b." : "p.") + std::string(row.name));
      auto sink = FileSink::create(file_spec(path, row.container));
      REQUIRE(sink);
      REQUIRE((*sink)->open(stream.parameters));
      CHECK((*sink)->flush());
      for (std::size_t i = 0; i < stream.packets.size(); ++i) {
        REQUIRE((*sink)->write(stream.packets[i]));
        if (i % 5 == 0) REQUIRE((*sink)->flush());
        if (i % 15 == 0) REQUIRE((*sink)->flush());
      }
      REQUIRE((*sink)->close());
      check_same(stream, read_media(path), row.container);
    }
  }
}

TEST_CASE("a finished Matroska file has cues, a duration and the nominal rate") {
  const TemporaryFolder dir;
  const TestStream stream = make_stream({.frames = 300});
  record(dir.file("a.mkv"), Container::Mkv, stream);
  const ReadMedia media = read_media(dir.file("a.mkv"));
  CHECK_THAT(media.duration, WithinAbs(5.0, 0.02));
  CHECK_THAT(media.frame_rate, WithinAbs(60, 0.5));
  CHECK(seek_points(dir.file("a.mkv")) == std::vector<std::int64_t>{0, 90'000, 180'000, 270'000, 360'000});
}

TEST_CASE("after a flush all pictures are on disk, without close") {
  const TemporaryFolder dir;
  const TestStream stream = make_stream({.frames = 31});
  for (const ContainerInfo& row : containers()) {
    CAPTURE(row.name);
    const std::string path = dir.file("open." + std::string(row.name));
    auto sink = FileSink::create(file_spec(path, row.container));
    REQUIRE(sink);
    REQUIRE((*sink)->open(stream.parameters));
    for (const Packet& packet : stream.packets) REQUIRE((*sink)->write(packet));
    REQUIRE((*sink)->flush());
    fs::copy_file(path, path + ".copy");
    const ReadMedia media = read_media(path + ".copy");
    CHECK(media.frame_pts.size() == stream.packets.size());
    CHECK(media.decode_errors == 0);
  }
}

TEST_CASE("a file that exists is refused, and kept until overwriting really begins") {
  const TemporaryFolder dir;
  const std::string path = dir.file("old.mkv");
  std::ofstream(path) << "precious";
  const auto refused = FileSink::create(file_spec(path, Container::Mkv));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Invalid);
  CHECK(refused.error().message().find("old.mkv exists; pass --overwrite") != std::string::npos);

  REQUIRE(FileSink::create(file_spec(path, Container::Mkv, true)));  // claimed and given up at once
  CHECK(fs::file_size(path) == 8);

  const TestStream stream = make_stream({.frames = 10});
  auto sink = FileSink::create(file_spec(path, Container::Mkv, true));
  REQUIRE(sink);
  const auto second = FileSink::create(file_spec(path, Container::Mkv, true));
  REQUIRE_FALSE(second);
  CHECK(second.error().kind == ErrorKind::Busy);
  REQUIRE((*sink)->open(stream.parameters));
  for (const Packet& packet : stream.packets) REQUIRE((*sink)->write(packet));
  REQUIRE((*sink)->close());
  CHECK(read_media(path).packets.size() == 10);
}

TEST_CASE("a file in which no picture came to lie is removed") {
  const TemporaryFolder dir;
  const TestStream stream = make_stream({.frames = 2});
  for (const ContainerInfo& row : containers()) {
    const std::string path = dir.file("none." + std::string(row.name));
    {
      auto sink = FileSink::create(file_spec(path, row.container));
      REQUIRE(sink);
      CHECK(fs::exists(path));
    }
    CHECK_FALSE(fs::exists(path));
    {
      auto sink = FileSink::create(file_spec(path, row.container));
      REQUIRE(sink);
      REQUIRE((*sink)->open(stream.parameters));
      CHECK((*sink)->close());
    }
    CHECK_FALSE(fs::exists(path));
  }
}

TEST_CASE("paths that cannot be written give one clear line") {
  const TemporaryFolder dir;
  const auto message = [](const std::string& path) {
    const auto sink = FileSink::create(file_spec(path, Container::Mkv, true));
    REQUIRE_FALSE(sink);
    const std::string text = sink.error().message();
    CHECK(text.find('\n') == std::string::npos);
    return text;
  };
  CHECK(message(dir.path()).find("is a folder") != std::string::npos);
  CHECK(message(dir.path().string() + "/").find("is a folder") != std::string::npos);
  CHECK(message(dir.file("no/such/a.mkv")).find("the folder " + dir.file("no/such") + " does not exist") !=
        std::string::npos);
  std::ofstream(dir.file("plain")) << "x";
  CHECK(message(dir.file("plain/a.mkv")).find("is not a folder") != std::string::npos);
  CHECK(message("/proc/none.mkv").find("/proc/none.mkv") != std::string::npos);
  CHECK(message(dir.file(std::string(300, 'n') + ".mkv")).find("too long") != std::string::npos);
}

TEST_CASE("out-of-range pictures are refused before anything is kept") {
  const TemporaryFolder dir;
  const std::string path = dir.file("big.mkv");
  auto sink = FileSink::create(file_spec(path, Container::Mkv));
  REQUIRE(sink);
  CHECK_FALSE((*sink)->open({.size = {0, 0}, .colour = {}, .hdr = {}, .extradata = {}, .audio = {}}));
  sink->reset();
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("a file is split at keyframes by time or size, one is asked for, and every picture is in one of the files") {
  const TemporaryFolder dir;
  for (const Container container : {Container::Mkv, Container::Mp4, Container::Ts}) {
    for (const bool by_time : {true, false}) {
      CAPTURE(info(container).name, by_time);
      const TestStream stream = make_stream({.codec = Codec::H264, .frames = 180, .gop = 15});  // 60 a second
      const std::string path = dir.file(std::string(by_time ? "time." : "size.") + std::string(info(container).name));
      std::size_t bytes = 0;
      for (const Packet& packet : stream.packets) bytes += packet.bytes().size();
      OutputSpec spec = file_spec(path, container);
      auto& split = std::get<FileOutput>(spec.target).split;
      if (by_time) split.time = std::chrono::milliseconds(900);
      if (!by_time) split.bytes = bytes / 3;
      auto sink = FileSink::create(spec);
      REQUIRE(sink);
      REQUIRE((*sink)->open(stream.parameters));
      unsigned wishes = 0;
      for (const Packet& packet : stream.packets) {
        REQUIRE((*sink)->write(packet));
        if ((*sink)->take_keyframe_wish()) ++wishes;
      }
      REQUIRE((*sink)->close());
      const std::vector<std::string> further = (*sink)->further_files();
      CHECK(further.size() >= 2);
      if (by_time) CHECK(further.size() == 2);  // at 1 s and 2 s: the first keyframes behind 0.9 s of each
      CHECK(wishes >= 1);
      CHECK(wishes <= further.size() + 1);
      std::size_t pictures = 0;
      std::vector<std::string> files = further;
      files.insert(files.begin(), path);
      for (const std::string& file : files) {
        const ReadMedia media = read_media(file);
        CAPTURE(file);
        CHECK(media.error.empty());
        CHECK(media.decode_errors == 0);
        REQUIRE_FALSE(media.packets.empty());
        CHECK(media.packets.front().keyframe);
        if (container == Container::Mp4) CHECK(top_level_boxes(file) == "ftyp mdat moov");
        pictures += media.packets.size();
      }
      CHECK(pictures == stream.packets.size());
    }
  }
}
