// Media files read and decoded: every container, damage, places in them.
#include "decode/clip.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <filesystem>
#include <fstream>
#include <vector>

#include "media/picture_view.h"
#include "support/temporary_folder.h"
#include "unit/verify/verify_support.h"

extern "C" {
#include <libavutil/frame.h>
}

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

struct Seen {
  std::vector<std::uint32_t> numbers;  ///< of pictures whose mark can be read
  std::vector<Nanoseconds> times;
  std::uint64_t pictures = 0;
  std::uint64_t damaged = 0;
  Nanoseconds end{};
};

zc::ClipOptions from(Nanoseconds start) {
  zc::ClipOptions options;
  options.start = start;
  return options;
}

Seen read(const std::string& path, zc::ClipOptions options = zc::ClipOptions()) {
  auto clip = zc::Clip::open(path, std::move(options));
  if (!clip) FAIL(clip.error().message());
  Seen seen;
  while (true) {
    auto next = (*clip)->next();
    if (!next) FAIL(next.error().message());
    if (!*next) break;
    ++seen.pictures;
    seen.times.push_back((*next)->time);
    seen.end = (*next)->time + (*next)->length;
    const auto view = view_of(*(*next)->frame);
    REQUIRE(view);
    if (const auto mark = view->mark({})) seen.numbers.push_back(mark->frame);
  }
  seen.damaged = (*clip)->damaged();
  return seen;
}

std::vector<std::uint32_t> count_to(std::uint32_t first, std::uint32_t end) {
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t n = first; n < end; ++n) numbers.push_back(n);
  return numbers;
}

Error refusal(const std::string& path, zc::ClipOptions options = zc::ClipOptions()) {
  const auto clip = zc::Clip::open(path, std::move(options));
  REQUIRE_FALSE(clip);
  return clip.error();
}

}  // namespace

TEST_CASE("a file gives its pictures in order and at their times") {
  const TemporaryFolder folder;
  const auto [container, name] = GENERATE(table<Container, std::string>(
      {{Container::Mkv, "clip.mkv"}, {Container::Mp4, "clip.mp4"}, {Container::Ts, "clip.ts"}}));
  const std::string encoder = GENERATE("libx264", "libx265");
  const std::string path = folder.file(name);
  // Of variable rate: a pause in the middle.
  zc::test::ClipOptions made;
  made.encoder = encoder;
  made.time = [](std::uint32_t n) { return 50ms * n + (n >= 20 ? 2000ms : 0ms); };
  write_file(path, container, make_clip(made));
  const Seen seen = read(path);
  CHECK(seen.numbers == count_to(0, 40));
  CHECK(seen.damaged == 0);
  REQUIRE(seen.times.size() == 40);
  for (std::uint32_t n = 0; n < 40; ++n) CHECK(std::chrono::abs(seen.times[n] - made.time(n)) < 2ms);
  CHECK(seen.end > seen.times.back());
}

TEST_CASE("a file can be read from a place in it") {
  const TemporaryFolder folder;
  const std::string path = folder.file("clip.mkv");
  write_file(path, Container::Mkv, make_clip());
  CHECK(read(path, from(0ms)).numbers == count_to(0, 40));
  // In the middle of a group of pictures, and of a picture.
  const Seen seen = read(path, from(1370ms));
  CHECK(seen.numbers == count_to(27, 40));
  CHECK(seen.times.front() < 1370ms);
  const Error late = refusal(path, from(10s));
  CHECK(late.kind == ErrorKind::Invalid);
  CHECK(late.message().find("2.0 s long") != std::string::npos);
}

TEST_CASE("what is damaged is left out, and counted") {
  const TemporaryFolder folder;
  const std::string path = folder.file("clip.mkv");
  write_file(path, Container::Mkv, make_clip());
  const auto bytes = std::filesystem::file_size(path);
  SECTION("cut off in the middle") {
    std::filesystem::resize_file(path, bytes / 2);
    const Seen seen = read(path);
    CHECK(seen.pictures > 5);
    CHECK(seen.pictures < 40);
    REQUIRE_FALSE(seen.numbers.empty());
    CHECK(seen.numbers.front() == 0);
    CHECK(std::ranges::is_sorted(seen.numbers));
  }
  SECTION("garbage in it") {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    for (std::uintmax_t at = bytes / 4; at < bytes; at += bytes / 16) {
      file.seekp(static_cast<std::streamoff>(at));
      file << std::string(200, '\x5a');
    }
    file.close();
    const Seen seen = read(path);
    CHECK(seen.pictures > 0);
    CHECK(seen.damaged > 0);
    CHECK(std::ranges::is_sorted(seen.numbers));
    CHECK(std::ranges::is_sorted(seen.times));
  }
}

TEST_CASE("what is no media file is refused with its reason") {
  const TemporaryFolder folder;
  CHECK(refusal(folder.file("none.mp4")).kind == ErrorKind::NotFound);
  CHECK(refusal(folder.path().string()).message().find("folder") != std::string::npos);
  CHECK(refusal("/dev/null").kind == ErrorKind::Invalid);
  folder.write("empty.mp4", "");
  CHECK(refusal(folder.file("empty.mp4")).message().find("empty") != std::string::npos);
  folder.write("text.mp4", std::string(5000, 'x'));
  CHECK(refusal(folder.file("text.mp4")).kind == ErrorKind::Invalid);
  // What a list in a file names is not opened.
  folder.write("remote.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:1/a.ts\n");
  CHECK(refusal(folder.file("remote.mp4")).message().find("playlist") != std::string::npos);
}

TEST_CASE("a decoder that is not there leaves its place to the next one") {
  const TemporaryFolder folder;
  const std::string path = folder.file("clip.mp4");
  write_file(path, Container::Mp4, make_clip());
  // No driver of this machine's tests decodes.
  zc::ClipOptions with_nvdec;
  with_nvdec.decoders = {DecoderBackend::Nvdec, DecoderBackend::Software};
  auto clip = zc::Clip::open(path, with_nvdec);
  REQUIRE(clip);
  CHECK((*clip)->stream().codec_name == "h264");
  CHECK((*clip)->stream().size == Size{320, 180});
  const auto first = (*clip)->next();
  REQUIRE(first);
  CHECK(first->has_value());
}

TEST_CASE("a wait for a file ends when it is asked to") {
  const TemporaryFolder folder;
  const std::string path = folder.file("clip.mkv");
  write_file(path, Container::Mkv, make_clip());
  zc::ClipOptions stoppable;
  stoppable.stopped = [] { return true; };
  CHECK(refusal(path, stoppable).kind == ErrorKind::Cancelled);
}
