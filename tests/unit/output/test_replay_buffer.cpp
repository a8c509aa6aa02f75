#include "output/replay_buffer.h"

#include "media_support.h"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <filesystem>
#include <ranges>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

OutputSpec file_spec(const std::string& path) { return parse_output(path, std::nullopt, false).value(); }

}  // namespace

TEST_CASE("a replay holds what was asked for, from a keyframe on, and can be saved again and again") {
  const TestStream stream = make_stream({.frames = 600, .gop = 60, .b_frames = true});  // ten seconds
  const TemporaryFolder folder;
  ReplayBuffer replay(3s);
  replay.start(stream.parameters);
  CHECK(replay.save(file_spec(folder.file("early.mkv"))).error().kind == ErrorKind::Busy);
  CHECK_FALSE(std::filesystem::exists(folder.file("early.mkv")));
  for (const Packet& packet : stream.packets) CHECK_FALSE(replay.push(packet));
  CHECK(replay.held() >= 2900ms);
  CHECK(replay.held() <= 4100ms);
  for (const char* name : {"replay.mkv", "replay.mp4", "replay.ts"}) {
    const auto saved = replay.save(file_spec(folder.file(name)));
    if (!saved) FAIL(saved.error().message());
    CHECK(*saved == folder.file(name));
    const ReadMedia media = read_media(*saved);
    CHECK(media.error.empty());
    CHECK(media.decode_errors == 0);
    REQUIRE_FALSE(media.packets.empty());
    CHECK(media.packets.front().keyframe);
    CHECK(media.frame_pts.size() >= 180);
    CHECK(media.frame_pts.size() <= 245);
  }
  CHECK_FALSE(replay.save(file_spec(folder.file("replay.mkv"))));  // it exists
  CHECK(replay.save(parse_output("udp://127.0.0.1:9", std::nullopt, false).value()).error().kind == ErrorKind::Invalid);
}

TEST_CASE("a replay becomes shorter at once and longer in time") {
  const TestStream stream = make_stream({.frames = 600, .gop = 30});  // ten seconds
  ReplayBuffer replay(4s);
  replay.start(stream.parameters);
  replay.set_length(3s);  // before there is anything
  const auto half = stream.packets.begin() + 300;
  for (auto packet = stream.packets.begin(); packet != half; ++packet) CHECK_FALSE(replay.push(*packet));
  CHECK(replay.held() >= 2900ms);
  CHECK(replay.held() < 3600ms);
  replay.set_length(1s);
  CHECK(replay.held() >= 900ms);
  CHECK(replay.held() < 1600ms);
  replay.set_length(1h);
  for (auto packet = half; packet != stream.packets.end(); ++packet) CHECK_FALSE(replay.push(*packet));
  CHECK(replay.held() >= 5900ms);
}

TEST_CASE("a replay that would take too much memory is shorter") {
  const TestStream stream = make_stream({.frames = 600, .gop = 30});
  std::size_t bytes = 0;
  for (const Packet& packet : stream.packets) bytes += packet.bytes().size();
  ReplayBuffer replay(1h, bytes / 4);
  replay.start(stream.parameters);
  for (const Packet& packet : stream.packets) CHECK_FALSE(replay.push(packet));
  CHECK(replay.held() < 4s);
  CHECK(replay.held() > 500ms);
}

TEST_CASE("what comes before the first keyframe is not kept") {
  const TestStream stream = make_stream({.frames = 120, .gop = 60});
  ReplayBuffer replay(10s);
  replay.start(stream.parameters);
  CHECK(replay.push(stream.packets.at(5)));  // it asks, once
  for (std::size_t i = 6; i < 50; ++i) CHECK_FALSE(replay.push(stream.packets.at(i)));
  CHECK(replay.held() == Nanoseconds{});
  for (std::size_t i = 50; i < 120; ++i) CHECK_FALSE(replay.push(stream.packets.at(i)));
  CHECK(replay.held() > 900ms);
}

TEST_CASE("a group of pictures without an end is cut where the replay asks for it") {
  const TestStream stream = make_stream({.frames = 900, .gop = 900});  // fifteen seconds
  const TemporaryFolder folder;
  ReplayBuffer replay(1s);
  replay.start(stream.parameters);
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < 900; ++i) {
    if (replay.push(stream.packets.at(i))) asked.push_back(i);
  }
  CHECK(asked == std::vector<std::size_t>{660});  // after 1 s and kMostExtra

  std::size_t bytes = 0;
  for (const Packet& packet : stream.packets) bytes += packet.bytes().size();
  ReplayBuffer small(1h, bytes / 2);
  small.start(stream.parameters);
  std::size_t wanted = 0;
  for (const Packet& packet : stream.packets) {
    if (small.push(packet)) ++wanted;
  }
  CHECK(wanted == 1);
  CHECK(small.held() == Nanoseconds{});
  CHECK(small.save(file_spec(folder.file("none.mkv"))).error().kind == ErrorKind::Busy);
  for (const Packet& packet : stream.packets | std::views::take(60)) CHECK_FALSE(small.push(packet));
  CHECK(small.held() > 900ms);
  const auto saved = small.save(file_spec(folder.file("small.mkv")));
  REQUIRE(saved);
  CHECK(read_media(*saved).frame_pts.size() == 60);
}
