// A recording put into another container: the same pictures, whatever became of the first file.
#include "output/file_sink.h"
#include "output/remux.h"

#include "media_support.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace zc;
using namespace zc::test;
namespace fs = std::filesystem;

namespace {

/// Without its end when it is not to be `finished`: what a kill leaves.
void record(const std::string& path, Container container, const TestStream& stream, bool finished = true) {
  auto sink = FileSink::create({.container = container, .target = FileOutput{.path = path}});
  REQUIRE(sink);
  REQUIRE((*sink)->open(stream.parameters));
  for (const Packet& packet : stream.packets) REQUIRE((*sink)->write(packet));
  REQUIRE((*sink)->flush());
  if (!finished) fs::copy_file(path, path + ".killed");
  REQUIRE((*sink)->close());
  if (!finished) fs::rename(path + ".killed", path);
}

Result<std::vector<std::string>> remux(const std::string& from, const FileOutput& to, Container container,
                                       const std::function<bool()>& stopped = nullptr) {
  const auto input = RecordedFile::open(from);
  if (!input) return std::unexpected(input.error());
  return (*input)->copy_to(to, container, stopped);
}

std::vector<std::string> files_in(const TemporaryFolder& dir) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir.path())) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

/// Half a millisecond each way, where Matroska was on the way.
constexpr std::int64_t kTolerance = 90;

}  // namespace

TEST_CASE("every recording goes into every container that takes it, picture by picture") {
  const Codec codec = GENERATE(Codec::H264, Codec::HEVC, Codec::AV1);
  const TestStream stream = make_stream({.codec = codec, .frames = 90, .gop = 30, .b_frames = codec != Codec::AV1});
  const TemporaryFolder dir;
  for (const ContainerInfo& from : containers()) {
    if (!check_codec(from.container, codec)) continue;
    const std::string source = dir.file("from." + std::string(from.name));
    record(source, from.container, stream);
    const ReadMedia before = read_media(source);
    for (const ContainerInfo& to : containers()) {
      CAPTURE(to_string(codec), from.name, to.name);
      const std::string target = dir.file("to." + std::string(to.name));
      const auto copied = remux(source, {.path = target, .overwrite = true}, to.container);
      if (!check_codec(to.container, codec)) {
        REQUIRE_FALSE(copied);
        CHECK(copied.error().kind == ErrorKind::Unsupported);
        CHECK_FALSE(fs::exists(target));
        continue;
      }
      if (!copied) FAIL(copied.error().message());
      CHECK(copied->empty());
      const ReadMedia after = read_media(target);
      if (to.container == Container::Mp4) CHECK(top_level_boxes(target) == "ftyp free mdat moov");
      CHECK(after.decode_errors == 0);
      CHECK(after.frame_pts.size() == 90);
      CHECK(after.size == stream.parameters.size);
      CHECK(after.matrix == 1);  // ITU-T H.273: BT.709
      CHECK(after.primaries == 1);
      CHECK(after.transfer == 1);
      CHECK(after.range == 1);
      REQUIRE(after.packets.size() == before.packets.size());
      const std::int64_t shift = after.packets.front().pts - before.packets.front().pts;
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < after.packets.size(); ++i) {
        const std::int64_t off = after.packets[i].pts - before.packets[i].pts - shift;
        if (std::abs(off) > kTolerance || after.packets[i].keyframe != before.packets[i].keyframe) ++wrong;
        // MPEG-TS has start codes and delimiters of its own.
        const bool same_bytes = from.container != Container::Ts && to.container != Container::Ts;
        if (same_bytes && after.packets[i].hash != before.packets[i].hash) ++wrong;
      }
      CHECK(wrong == 0);
      if (to.container != Container::Ts) CHECK(std::abs(after.frame_pts.front()) <= kTolerance);
    }
  }
}

TEST_CASE("HDR metadata goes along") {
  TestStream stream = make_stream({.codec = Codec::HEVC, .frames = 10});
  stream.parameters.hdr = {MasteringDisplay{.red = {34000, 16000},
                                            .green = {13250, 34500},
                                            .blue = {7500, 3000},
                                            .white = {15635, 16450},
                                            .max_luminance = 10'000'000,
                                            .min_luminance = 500},
                           ContentLight{1000, 400}};
  const TemporaryFolder dir;
  record(dir.file("a.mkv"), Container::Mkv, stream);
  REQUIRE(remux(dir.file("a.mkv"), {.path = dir.file("b.mp4")}, Container::Mp4));
  const std::string mp4 = dir.read("b.mp4");
  CHECK(mp4.find("mdcv") != std::string::npos);
  CHECK(mp4.find("clli") != std::string::npos);
  CHECK(mp4.find("hvc1") != std::string::npos);
  REQUIRE(remux(dir.file("b.mp4"), {.path = dir.file("c.mkv")}, Container::Mkv));
  CHECK(dir.read("c.mkv").find("\x55\xd0") != std::string::npos);  // MasteringMetadata
  CHECK(dir.read("c.mkv").find("\x55\xbc") != std::string::npos);  // MaxCLL
}

TEST_CASE("a recording that was cut off anywhere becomes a whole one") {
  const Container container = GENERATE(Container::Mkv, Container::Mp4, Container::Ts);
  const bool b_frames = GENERATE(false, true);
  const TestStream stream = make_stream({.frames = 90, .b_frames = b_frames});
  const TemporaryFolder dir;
  const std::string killed = dir.file("killed." + std::string(info(container).name));
  record(killed, container, stream, false);
  const std::string bytes = dir.read(fs::path(killed).filename());
  std::vector<std::size_t> lengths{bytes.size()};
  for (std::size_t part = 3; part < 20; ++part) lengths.push_back(bytes.size() * part / 20);
  // Within a 'moof', which libavformat does not open.
  const std::size_t moof = bytes.rfind("moof");
  if (container == Container::Mp4) lengths.insert(lengths.end(), {moof + 4, moof + 40, moof + 80, moof + 100});
  std::size_t least = 0;
  std::ranges::sort(lengths);
  for (const std::size_t length : lengths) {
    CAPTURE(info(container).name, b_frames, length, bytes.size());
    dir.write("cut", bytes.substr(0, length));
    const auto copied = remux(dir.file("cut"), {.path = dir.file("whole.mp4"), .overwrite = true}, Container::Mp4);
    if (!copied) FAIL(copied.error().message());
    CHECK(top_level_boxes(dir.file("whole.mp4")) == "ftyp free mdat moov");
    const ReadMedia media = read_media(dir.file("whole.mp4"));
    CHECK(media.error.empty());
    CHECK(media.frame_pts.size() + 3 >= least);
    CHECK(media.decode_errors <= (container == Container::Ts ? 2U : 0U));  // whose pictures say no length
    least = std::max(least, media.frame_pts.size());
  }
  CHECK(least == 90);
}

TEST_CASE("what cannot be copied is refused in one line, and nothing is left") {
  const TemporaryFolder dir;
  const TestStream stream = make_stream({.frames = 30});
  record(dir.file("a.mkv"), Container::Mkv, stream);
  const std::string before = dir.read("a.mkv");
  const auto refused = [&](const std::string& from, const FileOutput& to) {
    const auto result = remux(from, to, Container::Mp4);
    REQUIRE_FALSE(result);
    CHECK(result.error().message().find('\n') == std::string::npos);
    return result.error();
  };
  const FileOutput out{.path = dir.file("b.mp4")};
  CHECK(refused(dir.file("none.mkv"), out).kind == ErrorKind::NotFound);
  CHECK(refused(dir.path(), out).message().find("is a folder") != std::string::npos);
  dir.write("empty.mkv", "");
  CHECK(refused(dir.file("empty.mkv"), out).message().find("it is empty") != std::string::npos);
  dir.write("noise.mp4", std::string(100'000, '\x5a'));
  CHECK(refused(dir.file("noise.mp4"), out).kind == ErrorKind::Invalid);
  dir.write("head.mp4", std::string("\0\0\0\x18"
                                    "ftypiso6\0\0\x02\0iso6mp41",
                                    24));
  CHECK(refused(dir.file("head.mp4"), out).kind == ErrorKind::Invalid);
  record(dir.file("first.mp4"), Container::Mp4, stream, false);
  const std::string first = dir.read("first.mp4");
  fs::remove(dir.file("first.mp4"));
  dir.write("head.mp4", first.substr(0, first.find("moof") - 4));
  CHECK(refused(dir.file("head.mp4"), out).kind == ErrorKind::Invalid);
  dir.write("list.mkv", "#EXTM3U\n" + dir.file("a.mkv") + "\n");
  CHECK(refused(dir.file("list.mkv"), out).kind == ErrorKind::Invalid);

  // The same file, under whatever name, also with leave to overwrite.
  fs::create_symlink(dir.file("a.mkv"), dir.file("link.mp4"));
  for (const char* name : {"a.mkv", "link.mp4", "./a.mkv"}) {
    const Error same = refused(dir.file("a.mkv"), {.path = dir.file(name), .overwrite = true});
    CHECK(same.kind == ErrorKind::Invalid);
    CHECK(same.message().find("the same file") != std::string::npos);
  }
  dir.write("mine.mp4", "mine");
  CHECK(refused(dir.file("a.mkv"), {.path = dir.file("mine.mp4")}).message().find("exists; pass --overwrite") !=
        std::string::npos);
  CHECK(refused(dir.file("a.mkv"), {.path = dir.path(), .overwrite = true}).kind == ErrorKind::Invalid);
  CHECK(refused(dir.file("a.mkv"), {.path = dir.file("no/folder.mp4")}).kind == ErrorKind::NotFound);
  REQUIRE(::mkfifo(dir.file("fifo.mp4").c_str(), 0600) == 0);
  CHECK(refused(dir.file("a.mkv"), {.path = dir.file("fifo.mp4"), .overwrite = true}).kind == ErrorKind::Invalid);
  CHECK(refused(dir.file("fifo.mp4"), out).kind == ErrorKind::Invalid);

  unsigned asked = 0;
  const auto stopped = remux(dir.file("a.mkv"), out, Container::Mp4, [&] { return ++asked > 10; });
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().kind == ErrorKind::Cancelled);

  CHECK(dir.read("mine.mp4") == "mine");
  CHECK(dir.read("a.mkv") == before);
  CHECK(files_in(dir) == std::vector<std::string>{"a.mkv", "empty.mkv", "fifo.mp4", "head.mp4", "link.mp4", "list.mkv",
                                                  "mine.mp4", "noise.mp4"});

  REQUIRE(remux(dir.file("a.mkv"), {.path = dir.file("mine.mp4"), .overwrite = true}, Container::Mp4));
  CHECK(read_media(dir.file("mine.mp4")).frame_pts.size() == 30);
}

TEST_CASE("a copy that has no room leaves nothing and tells why") {
  const TemporaryFolder dir;
  const TestStream stream = make_stream({.frames = 120, .size = {320, 180}, .noise = 32});
  record(dir.file("a.mkv"), Container::Mkv, stream);
  dir.write("old.mp4", "old");
  const auto bytes = static_cast<rlim_t>(fs::file_size(dir.file("a.mkv")));
  for (const ContainerInfo& row : containers()) {
    for (const rlim_t limit : {rlim_t{100}, bytes / 2, bytes * 99 / 100}) {
      CAPTURE(row.name, limit);
      const pid_t child = ::fork();
      if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit most{limit, limit};
        if (::setrlimit(RLIMIT_FSIZE, &most) != 0) ::_exit(3);
        const auto copied = remux(dir.file("a.mkv"), {.path = dir.file("old.mp4"), .overwrite = true}, row.container);
        ::_exit(copied ? 0 : copied.error().kind == ErrorKind::NoSpace ? 1 : 2);
      }
      REQUIRE(child > 0);
      int status = 0;
      REQUIRE(::waitpid(child, &status, 0) == child);
      REQUIRE(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 1);
      CHECK(dir.read("old.mp4") == "old");
      CHECK(files_in(dir) == std::vector<std::string>{"a.mkv", "old.mp4"});
    }
  }
}
