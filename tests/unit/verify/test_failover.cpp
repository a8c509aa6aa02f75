// Another encoder goes on in the middle of a stream: with other parameter sets, in every container and codec.
#include "media_support.h"
#include "output/file_sink.h"
#include "output/output_spec.h"
#include "verify_support.h"

#include <sys/stat.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;
using verify::VerifyReport;

namespace {

constexpr std::uint32_t kEach = 20;

/// The second clip's pictures follow the first's.
std::vector<Clip> successive(std::string_view encoder, std::size_t count = 2) {
  std::vector<Clip> clips;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto number = [i](std::uint32_t n) { return n + i * kEach; };
    ClipOptions options;
    options.encoder = encoder;
    options.count = kEach;
    options.gop_seconds = i % 2 == 0 ? 0.5 : 5;
    options.low_latency = i % 2 == 0;
    options.number = number;
    options.time = [number](std::uint32_t n) { return std::chrono::milliseconds(50) * number(n); };
    // SVT-AV1 writes the same sequence header for both presets.
    if (encoder == "libsvtav1" && i % 2 == 1) options.options.emplace_back("svtav1-params", "level=51");
    clips.push_back(make_clip(options));
  }
  return clips;
}

/// What an encode stage hands to an output.
std::vector<Packet> joined(const std::vector<Clip>& clips) {
  std::vector<Packet> packets;
  for (const Clip& clip : clips) {
    const std::size_t first = packets.size();
    for (const Packet& packet : clip.packets) {
      packets.push_back(packet);
      if (packets.size() > 1) packets.back().dts = std::max(packet.dts, packets[packets.size() - 2].dts + 1);
    }
    if (first > 0) packets[first].new_stream = std::make_shared<const StreamParameters>(clip.stream);
  }
  return packets;
}

struct Written {
  std::vector<std::string> further;
  Result<void> result;
};

Written write(const std::string& path, Container container, const std::vector<Clip>& clips) {
  auto sink = FileSink::create({.container = container, .target = FileOutput{path, false}});
  if (!sink) FAIL(sink.error().message());
  REQUIRE((*sink)->open(clips.front().stream));
  Written written;
  for (const Packet& packet : joined(clips)) {
    if (written.result) written.result = (*sink)->write(packet);
  }
  REQUIRE((*sink)->close());
  written.further = (*sink)->further_files();
  return written;
}

void check_whole(const std::string& path, std::uint32_t first, std::uint32_t count) {
  const VerifyReport report = verified(path);
  CAPTURE(path);
  CHECK(faults_of(report).empty());
  CHECK(report.order.pictures == count);
  CHECK(report.order.marked == count);
  CHECK(report.order.first_number == first);
  CHECK(report.order.last_number == first + count - 1);
  REQUIRE(report.quality);
  CHECK(report.quality->psnr[0].min > 30);
}

}  // namespace

TEST_CASE("Matroska and MPEG-TS go on in the same file") {
  struct Case {
    std::string_view encoder;
    Container container;
  };
  const Case test =
      GENERATE(Case{"libx264", Container::Mkv}, Case{"libx264", Container::Ts}, Case{"libx265", Container::Mkv},
               Case{"libx265", Container::Ts}, Case{"libsvtav1", Container::Mkv});
  CAPTURE(test.encoder, info(test.container).name);
  const std::vector<Clip> clips = successive(test.encoder);
  REQUIRE(clips[0].stream.extradata != clips[1].stream.extradata);
  const TemporaryFolder folder;
  const Written written = write(folder.file("clip.any"), test.container, clips);
  CHECK(written.result);
  CHECK(written.further.empty());
  check_whole(folder.file("clip.any"), 0, 2 * kEach);
}

TEST_CASE("MP4 rolls over to a new file") {
  const std::string_view encoder = GENERATE("libx264", "libx265", "libsvtav1");
  CAPTURE(encoder);
  const TemporaryFolder folder;
  // What is there already stays as it is.
  std::ofstream(folder.file("clip-2.mp4")) << "somebody's";
  const Written written = write(folder.file("clip.mp4"), Container::Mp4, successive(encoder, 3));
  CHECK(written.result);
  REQUIRE(written.further == std::vector{folder.file("clip-3.mp4"), folder.file("clip-4.mp4")});
  check_whole(folder.file("clip.mp4"), 0, kEach);
  check_whole(folder.file("clip-3.mp4"), kEach, kEach);
  check_whole(folder.file("clip-4.mp4"), 2 * kEach, kEach);
  CHECK(std::filesystem::file_size(folder.file("clip-2.mp4")) == 10);
  // A new file begins at its own zero.
  CHECK(read_media(folder.file("clip-3.mp4")).frame_pts.front() == 0);
}

TEST_CASE("pictures of another size go on in the same MPEG-TS, and in further files of what states one size") {
  const Container container = GENERATE(Container::Mkv, Container::Mp4, Container::Ts);
  CAPTURE(info(container).name);
  std::vector<Clip> clips = successive("libx264");
  {
    ClipOptions options;
    options.size = {160, 96};
    options.count = kEach;
    options.number = [](std::uint32_t n) { return n + kEach; };
    options.time = [](std::uint32_t n) { return std::chrono::milliseconds(50) * (n + kEach); };
    clips[1] = make_clip(options);
  }
  REQUIRE(clips[0].stream.size != clips[1].stream.size);
  const TemporaryFolder folder;
  const Written written = write(folder.file("clip.any"), container, clips);
  CHECK(written.result);
  if (container == Container::Ts) {
    CHECK(written.further.empty());
    const VerifyReport report = verified(folder.file("clip.any"));
    CHECK(report.order.pictures == 2 * kEach);
    CHECK(report.order.marked == 2 * kEach);
    CHECK(report.sizes == std::vector{clips[1].stream.size});
    return;
  }
  REQUIRE(written.further == std::vector{folder.file("clip-2.any")});
  check_whole(folder.file("clip.any"), 0, kEach);
  check_whole(folder.file("clip-2.any"), kEach, kEach);
}

TEST_CASE("an encoder with the same parameter sets goes on in the same MP4") {
  const TemporaryFolder folder;
  Clip whole = make_clip();
  Clip head{whole.stream, {}};
  Clip tail{whole.stream, {}};
  // The keyframe that begins the second group, 0.5 s later.
  for (std::size_t i = 0; i < whole.packets.size(); ++i) {
    (i < 10 ? head : tail).packets.push_back(std::move(whole.packets[i]));
  }
  const Written written = write(folder.file("clip.mp4"), Container::Mp4, {std::move(head), std::move(tail)});
  CHECK(written.result);
  CHECK(written.further.empty());
  check_whole(folder.file("clip.mp4"), 0, 40);
}

TEST_CASE("an encoder that fails with its first picture leaves no file behind") {
  const TemporaryFolder folder;
  std::vector<Clip> clips = successive("libx264");
  auto sink = FileSink::create({.container = Container::Mp4, .target = FileOutput{folder.file("clip.mp4"), false}});
  REQUIRE(sink);
  REQUIRE((*sink)->open(clips[0].stream));
  clips[1].packets.front().new_stream = std::make_shared<const StreamParameters>(clips[1].stream);
  for (const Packet& packet : clips[1].packets) REQUIRE((*sink)->write(packet));
  REQUIRE((*sink)->close());
  CHECK((*sink)->further_files().empty());
  check_whole(folder.file("clip.mp4"), kEach, kEach);
}

TEST_CASE("MP4 on a pipe ends whole where the encoder changed") {
  const TemporaryFolder folder;
  const std::string fifo = folder.file("fifo.mp4");
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const std::string command = "timeout 60 cat '" + fifo + "' > '" + folder.file("piped.mp4") + "'";
  FILE* reader = ::popen(command.c_str(), "r");
  REQUIRE(reader != nullptr);
  const Written written = write(fifo, Container::Mp4, successive("libx264"));
  CHECK(::pclose(reader) == 0);
  REQUIRE_FALSE(written.result);
  CHECK(written.result.error().message().find("MP4 cannot take a stream of another encoder") != std::string::npos);
  check_whole(folder.file("piped.mp4"), 0, kEach);
}
