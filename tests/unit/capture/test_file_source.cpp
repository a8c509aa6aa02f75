// Media files as a source: pace, lists, loops, ends.
#include "capture/file_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <deque>
#include <mutex>

#include "capture/file_list.h"
#include "support/recording_listener.h"
#include "support/temporary_folder.h"
#include "support/test_picture.h"
#include "unit/verify/verify_support.h"

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

FormatOffer offer() {
  FormatOffer offer;
  offer.formats.push_back({PixelFormat::NV12, {}});
  return offer;
}

std::optional<TestMark> mark_of(const Frame& frame) {
  const auto& image = std::get<HostImage>(frame.image);
  std::array<zc::test::PictureView, 3> planes;
  for (std::size_t i = 0; i < planes.size(); ++i) {
    planes.at(i) = {image.planes.at(i).data, image.planes.at(i).stride_bytes};
  }
  return read_picture_mark(image.format, image.size, planes);
}

struct Log {
  std::vector<std::uint32_t> numbers;
  std::vector<Nanoseconds> times;
  std::vector<Size> sizes;
  void operator()(Frame& frame) {
    const auto mark = mark_of(frame);
    numbers.push_back(mark ? mark->frame : 9999);
    times.push_back(frame.pts);
    sizes.push_back(frame.buffer_size());
  }
};

std::string clip_file(const TemporaryFolder& folder, std::string_view name, zc::test::ClipOptions options = {}) {
  const std::string path = folder.file(name);
  write_file(path, Container::Mkv, make_clip(options));
  return path;
}

FileSpec file(std::string path, bool loop = false, Nanoseconds start = {}) {
  return {.path = std::move(path), .loop = loop, .start = start, .decoder = {}};
}

const FileSourceOptions kUnpaced{.unpaced = true, .from_first = false, .stop = {}};
const FileSourceOptions kFromFirst{.unpaced = false, .from_first = true, .stop = {}};

std::unique_ptr<Source> source_of(const FileSpec& spec, FileSourceOptions options = FileSourceOptions()) {
  auto made = make_file_source(spec, std::move(options));
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}

Error start_error(const FileSpec& spec) {
  RecordingListener listener;
  const auto started = source_of(spec)->start(offer(), listener);
  REQUIRE_FALSE(started);
  return started.error();
}

}  // namespace

TEST_CASE("a file's pictures come at their own times, and then its end") {
  const TemporaryFolder folder;
  const std::string path = clip_file(folder, "clip.mkv", {.count = 12});
  Log log;
  RecordingListener listener([&](Frame& frame) { log(frame); });
  const auto source = source_of(file(path));
  REQUIRE(source->start(offer(), listener));
  CHECK(source->info().kind == "file");
  CHECK(source->info().description == "file clip.mkv (h264, software)");
  CHECK(source->info().size == Size{320, 180});
  REQUIRE(listener.wait_state(SourceState::Ended));
  CHECK(listener.error()->kind == ErrorKind::Cancelled);
  source->stop();
  CHECK(log.numbers.size() + source->stats().skipped == 12);
  CHECK(std::ranges::is_sorted(log.numbers));
  for (std::size_t i = 1; i < log.times.size(); ++i) {
    CHECK(std::chrono::abs(log.times[i] - log.times[0] - 50ms * (log.numbers[i] - log.numbers[0])) < 2ms);
  }
  // The last one stands for its time.
  CHECK(monotonic_now() >= log.times.back() + 49ms);
}

TEST_CASE("unpaced, pictures wait for whoever takes them and none is left out") {
  const TemporaryFolder folder;
  const std::string path = clip_file(folder, "clip.mkv", {.count = 60});
  Log log;
  std::mutex mutex;
  std::deque<Frame> held;
  std::atomic<std::size_t> most = 0;
  RecordingListener listener([&](Frame& frame) {
    log(frame);
    const std::lock_guard lock(mutex);
    held.push_back(std::move(frame));
    most = std::max(most.load(), held.size());
  });
  const auto source = source_of(file(path), kUnpaced);
  REQUIRE(source->start(offer(), listener));
  // Nobody takes any: four wait, and no more come.
  REQUIRE(listener.wait([&] { return most == 4; }));
  // One by one.
  REQUIRE(listener.wait([&] {
    const std::lock_guard lock(mutex);
    if (!held.empty()) held.pop_front();
    return log.numbers.size() == 60;
  }));
  REQUIRE(listener.wait_state(SourceState::Ended));
  source->stop();
  CHECK(most == 4);
  REQUIRE(log.numbers.size() == 60);
  for (std::uint32_t n = 0; n < 60; ++n) {
    CHECK(log.numbers[n] == n);
    CHECK(std::chrono::abs(log.times[n] - log.times[0] - 50ms * n) < 2ms);
  }
}

TEST_CASE("a list is played in order, each file in its own size") {
  const TemporaryFolder folder;
  clip_file(folder, "one.mkv", {.count = 6});
  clip_file(folder, "two, with a comma.mkv",
            {.count = 5, .size = {640, 360}, .number = [](std::uint32_t n) { return 100 + n; }});
  folder.write("broken.mkv", "nothing of the kind");
  folder.write("list.m3u", "\xef\xbb\xbf#EXTM3U\r\n#EXTINF:1,one\r\none.mkv\r\n\nbroken.mkv\ntwo, with a comma.mkv\n");
  Log log;
  RecordingListener listener([&](Frame& frame) { log(frame); });
  const auto source = source_of(file(folder.file("list.m3u")), kUnpaced);
  REQUIRE(source->start(offer(), listener));
  REQUIRE(listener.wait_state(SourceState::Ended));
  CHECK(listener.error()->kind == ErrorKind::Cancelled);
  source->stop();
  CHECK(log.numbers == std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 100, 101, 102, 103, 104});
  CHECK(log.sizes.front() == Size{320, 180});
  CHECK(log.sizes.back() == Size{640, 360});
  CHECK(std::ranges::is_sorted(log.times));
}

TEST_CASE("a loop begins again at the start that was asked for, until it is stopped") {
  const TemporaryFolder folder;
  const std::string path = clip_file(folder, "clip.mkv", {.count = 8});
  Log log;
  RecordingListener listener([&](Frame& frame) { log(frame); });
  const auto source = source_of(file(path, true, 200ms), kUnpaced);
  REQUIRE(source->start(offer(), listener));
  REQUIRE(listener.wait_pictures(12));
  source->stop();
  for (std::size_t i = 0; i < 12; ++i) CHECK(log.numbers[i] == 4 + i % 4);
  CHECK(log.times[11] - log.times[0] > 500ms);
  CHECK_FALSE(listener.error());
}

TEST_CASE("after a rest a file goes on where it was") {
  const TemporaryFolder folder;
  const std::string path = clip_file(folder, "clip.mkv", {.count = 30});
  Log log;
  RecordingListener listener([&](Frame& frame) { log(frame); });
  const auto source = source_of(file(path));
  REQUIRE(source->start(offer(), listener));
  REQUIRE(listener.wait_pictures(5));
  source->rest();
  const std::size_t before = log.numbers.size();
  REQUIRE(source->wake(offer()));
  REQUIRE(listener.wait_state(SourceState::Ended));
  source->stop();
  REQUIRE(log.numbers.size() > before);
  CHECK(log.numbers[before] == log.numbers[before - 1] + 1);
  CHECK(log.numbers.back() == 29);
  CHECK(std::ranges::is_sorted(log.times));
}

TEST_CASE("unpaced, a rest leaves the times as they are in the file") {
  const TemporaryFolder folder;
  const std::string path = clip_file(folder, "clip.mkv", {.count = 30});
  Log log;
  std::mutex mutex;
  std::vector<Frame> held;
  RecordingListener listener([&](Frame& frame) {
    log(frame);
    const std::lock_guard lock(mutex);
    // The last four wait to be taken.
    if (log.numbers.size() > 16 && log.numbers.size() <= 20) held.push_back(std::move(frame));
  });
  const auto source = source_of(file(path), kUnpaced);
  REQUIRE(source->start(offer(), listener));
  REQUIRE(listener.wait_pictures(20));
  source->rest();
  {
    const std::lock_guard lock(mutex);
    held.clear();
  }
  REQUIRE(source->wake(offer()));
  REQUIRE(listener.wait_state(SourceState::Ended));
  source->stop();
  REQUIRE(log.numbers.size() == 30);
  for (std::uint32_t n = 0; n < 30; ++n) {
    CHECK(log.numbers[n] == n);
    CHECK(std::chrono::abs(log.times[n] - log.times[0] - 50ms * n) < 2ms);
  }
}

TEST_CASE("the first picture may take its time, and nothing is lost") {
  const TemporaryFolder folder;
  const std::string path = clip_file(folder, "clip.mkv", {.count = 10});
  Log log;
  std::mutex mutex;
  std::optional<Frame> first;
  RecordingListener listener([&](Frame& frame) {
    log(frame);
    const std::lock_guard lock(mutex);
    if (log.numbers.size() == 1) first = std::move(frame);
  });
  const auto source = source_of(file(path), kFromFirst);
  REQUIRE(source->start(offer(), listener));
  REQUIRE(listener.wait_pictures(1));
  Nanoseconds taken{};
  {
    const std::lock_guard lock(mutex);
    taken = monotonic_now();
    first.reset();
  }
  REQUIRE(listener.wait_pictures(2));
  CHECK(log.times[1] >= taken);
  source->stop();
}

TEST_CASE("what cannot be played is told at the start") {
  const TemporaryFolder folder;
  CHECK(start_error(file(folder.file("none.mkv"))).kind == ErrorKind::NotFound);
  folder.write("text.mkv", "text");
  CHECK(start_error(file(folder.file("text.mkv"))).kind == ErrorKind::Invalid);
  folder.write("url.m3u", "http://127.0.0.1/clip.mp4\n");
  CHECK(start_error(file(folder.file("url.m3u"))).message().find("line 1 names a URL") != std::string::npos);
  folder.write("gap.m3u", "# first\nmissing.mkv\n");
  const Error gap = start_error(file(folder.file("gap.m3u")));
  CHECK(gap.kind == ErrorKind::NotFound);
  CHECK(gap.message().find("missing.mkv (line 2 of ") != std::string::npos);
  folder.write("nothing.m3u8", "#EXTM3U\n\n");
  CHECK(start_error(file(folder.file("nothing.m3u8"))).message().find("names no file") != std::string::npos);
  FormatOffer strict;
  strict.formats.push_back({PixelFormat::BGRx, {0}});
  strict.shared_memory = false;
  RecordingListener listener;
  const auto refused = source_of(file(clip_file(folder, "clip.mkv", {.count = 2})))->start(strict, listener);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::Unsupported);
}
