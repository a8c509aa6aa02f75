// A media file's sound beside its pictures: in real time and unpaced, lists, rests.
#include "capture/file_sound.h"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "capture/file_source.h"
#include "media/test_sound.h"
#include "support/recording_listener.h"
#include "support/temporary_folder.h"
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

/// Two seconds.
std::string clip_file(const TemporaryFolder& folder, std::string_view name, bool audible = true) {
  zc::test::Clip clip = make_clip({.count = 40});
  if (audible) add_sound(clip, 0s, 2s);
  const std::string path = folder.file(name);
  write_file(path, Container::Mkv, clip);
  return path;
}

/// What a reader is given, by stream.
class Heard final : public AudioReader {
 public:
  struct Run {
    Nanoseconds begin{};
    std::vector<float> mono;
  };
  std::vector<Run> runs;
  bool contiguous = true;  ///< within each run
  bool in_future = false;  ///< a sample came before its time
  std::uint32_t streams = 0;

  void on_stream(std::uint32_t stream) override { streams = stream; }
  void on_block(std::uint32_t /*stream*/, const AudioBlock& block) override {
    const auto length = [](std::size_t samples) {
      return Nanoseconds(static_cast<std::int64_t>(samples) * 1'000'000'000 / kAudioRate);
    };
    if (!runs.empty() && std::chrono::abs(block.time - runs.back().begin - length(runs.back().mono.size())) > 10us) {
      contiguous = false;
      runs.emplace_back();
    }
    if (runs.empty()) runs.emplace_back();
    if (runs.back().mono.empty()) runs.back().begin = block.time;
    in_future |= block.time + length(block.samples.size() / 2) > monotonic_now();
    for (std::size_t i = 0; i < block.samples.size(); i += 2) runs.back().mono.push_back(block.samples[i]);
  }
  void on_end(std::uint32_t /*stream*/) override { over = true; }

  bool over = false;
};

/// The most that the sound is off what `wanted` says, by seconds from its begin on.
float most_off(const std::vector<float>& sound, const std::function<std::optional<Nanoseconds>(Nanoseconds)>& wanted) {
  float most = 0;
  for (std::size_t i = 0; i < sound.size(); ++i) {
    const auto time = wanted(Nanoseconds(static_cast<std::int64_t>(i) * 1'000'000'000 / kAudioRate));
    most = std::max(most, std::abs(sound[i] - (time ? test_sound(*time) : 0.0F)));
  }
  return most;
}

struct Playing {
  explicit Playing(const std::string& path, bool unpaced, Nanoseconds start = {})
      : sound(std::make_shared<FileSound>(kStereo, unpaced)), reader(sound->reader()) {
    source = make_file_source({.path = path, .loop = false, .start = start, .decoder = {}},
                              {.unpaced = unpaced, .from_first = false, .stop = {}, .sound = sound})
                 .value();
  }
  /// Reads until the end.
  void hear_all(RecordingListener& listener) {
    REQUIRE(listener.wait([&] {
      reader->read(heard);
      return heard.over;
    }));
  }
  std::shared_ptr<FileSound> sound;
  std::unique_ptr<AudioSource> reader;
  std::unique_ptr<Source> source;
  Heard heard;
};

constexpr float kExact = 1e-5F;

}  // namespace

TEST_CASE("unpaced, all of a list's sound comes, to the last sample, at its pictures' times") {
  const TemporaryFolder folder;
  clip_file(folder, "one.mkv");
  clip_file(folder, "mute.mkv", false);
  folder.write("list.m3u", "one.mkv\nmute.mkv\none.mkv\n");
  Playing playing(folder.file("list.m3u"), true, 1s);
  std::vector<Nanoseconds> times;
  RecordingListener listener([&](Frame& frame) { times.push_back(frame.pts); });
  REQUIRE(playing.source->start(offer(), listener));
  playing.hear_all(listener);
  REQUIRE(listener.wait_state(SourceState::Ended));
  playing.source->stop();
  CHECK(playing.reader->lost() == 0);
  CHECK(playing.heard.contiguous);
  REQUIRE(playing.heard.runs.size() == 1);
  const Heard::Run& run = playing.heard.runs[0];
  CHECK(run.mono.size() == std::size_t{5} * kAudioRate);
  CHECK(run.begin == times.front());
  CHECK(most_off(run.mono, [](Nanoseconds at) {
          if (at < 1s) return std::optional(at + 1s);
          return at < 3s ? std::nullopt : std::optional(at - 3s);
        }) < kExact);
}

TEST_CASE("unpaced, a file waits for whoever hears it") {
  const TemporaryFolder folder;
  clip_file(folder, "one.mkv");
  folder.write("list.m3u", "one.mkv\none.mkv\none.mkv\none.mkv\none.mkv\n");
  Playing playing(folder.file("list.m3u"), true);
  const auto second = playing.sound->reader();
  Heard other;
  RecordingListener listener;
  REQUIRE(playing.source->start(offer(), listener));
  // One of two is not enough.
  REQUIRE(listener.wait([&] {
    playing.reader->read(playing.heard);
    return !playing.heard.runs.empty() && playing.heard.runs[0].mono.size() >= std::size_t{3} * kAudioRate;
  }));
  std::this_thread::sleep_for(300ms);
  CHECK_FALSE(listener.error());
  REQUIRE(listener.wait([&] {
    playing.reader->read(playing.heard);
    second->read(other);
    return playing.heard.over && other.over;
  }));
  playing.source->stop();
  CHECK(other.runs[0].mono == playing.heard.runs[0].mono);
  CHECK(other.runs[0].mono.size() == std::size_t{10} * kAudioRate);
}

TEST_CASE("a source can be stopped while nobody hears it") {
  const TemporaryFolder folder;
  clip_file(folder, "one.mkv");
  folder.write("list.m3u", "one.mkv\none.mkv\none.mkv\none.mkv\n");
  Playing playing(folder.file("list.m3u"), true);
  RecordingListener listener;
  REQUIRE(playing.source->start(offer(), listener));
  REQUIRE(listener.wait_pictures(60));
  playing.source->stop();
  CHECK_FALSE(listener.error());
}

TEST_CASE("in real time sound comes when it is heard, and after a rest it goes on with the pictures") {
  const TemporaryFolder folder;
  Playing playing(clip_file(folder, "one.mkv"), false);
  std::vector<Nanoseconds> times;
  RecordingListener listener([&](Frame& frame) { times.push_back(frame.pts); });
  REQUIRE(playing.source->start(offer(), listener));
  REQUIRE(listener.wait([&] {
    playing.reader->read(playing.heard);
    return times.size() >= 10;
  }));
  playing.source->rest();
  playing.reader->read(playing.heard);
  const std::size_t before = times.size();
  const Nanoseconds asleep = monotonic_now();
  std::this_thread::sleep_for(300ms);
  REQUIRE(playing.source->wake(offer()));
  playing.hear_all(listener);
  playing.source->stop();
  CHECK_FALSE(playing.heard.in_future);
  CHECK(playing.heard.streams == 1);
  REQUIRE(playing.heard.runs.size() == 2);
  const Heard::Run& first = playing.heard.runs[0];
  const Heard::Run& second = playing.heard.runs[1];
  CHECK(first.begin == times.front());
  CHECK(most_off(first.mono, [](Nanoseconds at) { return std::optional(at); }) < kExact);
  CHECK(first.begin + Nanoseconds(static_cast<std::int64_t>(first.mono.size()) * 1'000'000'000 / kAudioRate) <= asleep);
  // Behind the rest: from the picture on with which it goes on.
  REQUIRE(times.size() > before);
  CHECK(second.begin >= asleep + 300ms);
  CHECK(second.begin == times[before]);
  const Nanoseconds left = Nanoseconds(static_cast<std::int64_t>(second.mono.size()) * 1'000'000'000 / kAudioRate);
  CHECK(std::chrono::abs(left % 50ms) < 1ms);
  CHECK(most_off(second.mono, [&](Nanoseconds at) { return std::optional(at + 2s - left); }) < kExact);
}

TEST_CASE("a file whose sound is wanted and that has none is refused, but not in a list") {
  const TemporaryFolder folder;
  const std::string path = clip_file(folder, "mute.mkv", false);
  Playing playing(path, true);
  RecordingListener listener;
  const auto started = playing.source->start(offer(), listener);
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == ErrorKind::Unsupported);
  CHECK(started.error().message().find("it has no sound") != std::string::npos);
}
