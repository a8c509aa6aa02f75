// What is published of a stream, when, and for how long.
#include "output/hls_stream.h"

#include "media_support.h"

#include <fmt/format.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// Keeps everything, and notes what was ever told without being there.
class Shelf final : public HlsStore {
 public:
  Result<void> put(const std::string& name, std::span<const std::byte> bytes) override {
    if (room_ < bytes.size()) return fail(ErrorKind::NoSpace, "write " + name, "No space left on device");
    room_ -= bytes.size();
    files[name].assign(bytes.begin(), bytes.end());
    return {};
  }
  void remove(const std::string& name) noexcept override { files.erase(name); }
  Result<void> announce(const hls::Window& window, const hls::Variant& variant) override {
    newest = window;
    stream = variant;
    ++told;
    for (const hls::Segment& one : window.segments) {
      need(hls::header_name(one.header));
      if (one.whole) need(hls::segment_name(one.number));
      for (std::size_t i = 0; i < one.parts.size(); ++i) need(hls::part_name(one.number, i));
    }
    return {};
  }
  void limit(std::size_t bytes) { room_ = bytes; }

  std::map<std::string, std::vector<std::byte>> files;
  std::set<std::string> missing;
  hls::Window newest;
  hls::Variant stream;
  unsigned told = 0;

 private:
  void need(const std::string& name) {
    if (!files.contains(name)) missing.insert(name);
  }
  std::size_t room_ = SIZE_MAX;
};

constexpr std::int64_t kTolerance = kPacketClock / 1000;

Result<void> push_all(HlsStream& stream, const std::vector<Packet>& packets) {
  for (const Packet& packet : packets) {
    if (auto pushed = stream.push(wire_packet(packet)); !pushed) return pushed;
  }
  return {};
}

/// As a player that began with the first segment would see it.
ReadMedia read_all(const Shelf& shelf, const TemporaryFolder& folder) {
  std::string whole;
  const auto append = [&](const std::string& name) {
    const auto& bytes = shelf.files.at(name);
    whole.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  append(hls::header_name(shelf.newest.segments.front().header));
  for (const hls::Segment& one : shelf.newest.segments) append(hls::segment_name(one.number));
  folder.write("all.mp4", whole);
  return read_media(folder.file("all.mp4"));
}

}  // namespace

TEST_CASE("every codec's stream comes in segments that begin at keyframes, with every picture in its place") {
  const TemporaryFolder folder;
  for (const Codec codec : {Codec::H264, Codec::HEVC, Codec::AV1}) {
    CAPTURE(to_string(codec));
    const TestStream stream = make_stream({.codec = codec, .frames = 360, .gop = 60});  // 6 s, a keyframe each second
    Shelf shelf;
    HlsStream hls({.segment = 2s, .window = 10}, shelf);
    REQUIRE(hls.begin(stream.parameters));
    REQUIRE(push_all(hls, stream.packets));
    REQUIRE(hls.end());
    CHECK(shelf.missing.empty());
    CHECK(shelf.newest.ended);
    REQUIRE(shelf.newest.segments.size() == 3);
    for (const hls::Segment& segment : shelf.newest.segments) {
      CHECK(segment.duration == 2 * kPacketClock);
      REQUIRE(segment.parts.size() == 10);
      CHECK(segment.parts.front().independent);
      for (const hls::Part& part : segment.parts) CHECK(part.duration == kPacketClock / 5);
    }
    CHECK(shelf.stream.codecs.starts_with(codec == Codec::H264 ? "avc1." : codec == Codec::HEVC ? "hvc1." : "av01."));
    const ReadMedia media = read_all(shelf, folder);
    CHECK(media.error.empty());
    CHECK(media.decode_errors == 0);
    REQUIRE(media.packets.size() == stream.packets.size());
    for (std::size_t i = 0; i < media.packets.size(); ++i) {
      if (media.packets[i].pts != stream.packets[i].pts) FAIL("picture " << i << " is at " << media.packets[i].pts);
    }
  }
}

TEST_CASE("nothing is told before there is a segment, and then each part at once") {
  const TestStream stream = make_stream({.frames = 180, .gop = 60});
  Shelf shelf;
  HlsStream hls({.segment = 1s}, shelf);
  REQUIRE(hls.begin(stream.parameters));
  unsigned before = 0;
  for (const Packet& packet : stream.packets) {
    REQUIRE(hls.push(wire_packet(packet)));
    if (packet.pts < kPacketClock) CHECK(shelf.told == 0);
    if (packet.pts == kPacketClock) before = shelf.told;
  }
  CHECK(before == 1);
  CHECK(shelf.told == 1 + 2 * 5 - 1);  // what ends with the last picture waits for the next one
}

TEST_CASE("no part is longer than was said, however pictures come") {
  for (const bool b_frames : {false, true}) {
    const TestStream stream =
        make_stream({.frames = 600, .gop = 60, .b_frames = b_frames, .pts = [](unsigned n) {
                       return std::int64_t{n} * 3000 + (n * 7919 % 1700);  // 33 ms, give or take 9 ms
                     }});
    Shelf shelf;
    HlsStream hls({.window = 100}, shelf);
    REQUIRE(hls.begin(stream.parameters));
    REQUIRE(push_all(hls, stream.packets));
    REQUIRE(hls.end());
    CHECK(shelf.missing.empty());
    std::int64_t total = 0;
    for (const hls::Segment& segment : shelf.newest.segments) {
      std::int64_t sum = 0;
      for (const hls::Part& part : segment.parts) {
        CHECK(part.duration <= kPacketClock / 5 + 20 * kTolerance);
        sum += part.duration;
      }
      if (!segment.parts.empty()) CHECK(sum == segment.duration);
      CHECK(segment.duration <= hls::target_duration({}).count() * kPacketClock);
      total += segment.duration;
    }
    const std::int64_t length = stream.packets.back().dts - stream.packets.front().dts;
    CHECK(total >= length);
    CHECK(total <= length + kPacketClock / 10);
  }
}

TEST_CASE("a keyframe is asked for when a segment is due, and again while none comes") {
  const TestStream stream = make_stream({.frames = 300, .gop = 300});
  Shelf shelf;
  HlsStream hls({}, shelf);
  REQUIRE(hls.begin(stream.parameters));
  std::vector<std::int64_t> wishes;
  for (const Packet& packet : stream.packets) {
    REQUIRE(hls.push(wire_packet(packet)));
    if (hls.take_keyframe_wish()) wishes.push_back(packet.pts);
  }
  CHECK(wishes == std::vector<std::int64_t>{2 * kPacketClock, 3 * kPacketClock, 4 * kPacketClock});
}

TEST_CASE("a stream that has no keyframes ends with the reason, and not with all memory") {
  const TestStream stream = make_stream({.frames = 2, .gop = 300});
  Shelf shelf;
  HlsStream hls({}, shelf);
  REQUIRE(hls.begin(stream.parameters));
  REQUIRE(hls.push(wire_packet(stream.packets[0])));
  Result<void> pushed;
  for (std::int64_t n = 1; pushed && n < 1000; ++n) {
    WirePacket packet = wire_packet(stream.packets[1]);
    packet.pts = packet.dts = n * kPacketClock / 10;
    pushed = hls.push(packet);
  }
  REQUIRE_FALSE(pushed);
  CHECK(pushed.error().message().contains("no keyframe has come for a minute"));
}

TEST_CASE("what players cannot want any more is removed, and nothing that they are told of") {
  const TestStream stream = make_stream({.frames = 60, .gop = 15});
  Shelf shelf;
  HlsStream hls({.segment = 1s, .window = 12}, shelf);
  REQUIRE(hls.begin(stream.parameters));
  std::size_t most = 0;
  for (unsigned second = 0; second < 60; ++second) {
    for (const Packet& packet : stream.packets) {
      WirePacket shifted = wire_packet(packet);
      shifted.pts += second * kPacketClock;
      shifted.dts += second * kPacketClock;
      REQUIRE(hls.push(shifted));
    }
    most = std::max(most, shelf.files.size());
  }
  CHECK(shelf.missing.empty());
  CHECK(shelf.newest.segments.size() == 13);  // and the one that is not whole
  CHECK(shelf.newest.segments.front().parts.empty());
  CHECK_FALSE(shelf.newest.segments[shelf.newest.segments.size() - 2].parts.empty());
  CHECK(most < 120);
  REQUIRE(hls.end());
  // Times rise from segment to segment as the pictures' do.
  for (std::size_t i = 1; i < shelf.newest.segments.size(); ++i) {
    const auto& one = shelf.newest.segments[i];
    const auto& before = shelf.newest.segments[i - 1];
    CHECK(one.number == before.number + 1);
    const auto apart = std::chrono::duration_cast<Nanoseconds>(one.date - before.date);
    CHECK(std::abs(to_packet_clock(apart) - before.duration) <= kTolerance);
  }
}

TEST_CASE("another encoder's stream goes on behind a discontinuity, with a header of its own") {
  const TestStream one = make_stream({.frames = 90, .gop = 30});
  const TestStream other = make_stream({.frames = 90, .size = {320, 180}, .gop = 30});
  Shelf shelf;
  HlsStream hls({.segment = 1s, .window = 10}, shelf);
  REQUIRE(hls.begin(one.parameters));
  REQUIRE(push_all(hls, one.packets));
  REQUIRE(hls.begin(other.parameters));
  REQUIRE(push_all(hls, other.packets));
  REQUIRE(hls.end());
  CHECK(shelf.missing.empty());
  std::size_t breaks = 0;
  for (const hls::Segment& segment : shelf.newest.segments) {
    if (segment.discontinuity) ++breaks;
    CHECK(segment.header == (breaks == 0 ? 1U : 2U));
  }
  CHECK(breaks == 1);
  CHECK(shelf.stream.size == Size{320, 180});
}

TEST_CASE("a stream that begins in mid-recording begins at its first keyframe, with the sound from there on") {
  const TestStream stream = make_stream({.frames = 120, .gop = 30});
  Shelf shelf;
  HlsStream hls({.segment = 1s}, shelf);
  StreamParameters with_sound = stream.parameters;
  with_sound.audio.push_back({.codec = AudioCodec::Aac,
                              .bit_rate = 128'000,
                              .frame_samples = 1024,
                              .extradata = {std::byte{0x11}, std::byte{0x90}},
                              .title = {}});
  REQUIRE(hls.begin(with_sound));
  const std::vector<std::byte> sound(200, std::byte{1});
  for (std::size_t i = 7; i < stream.packets.size(); ++i) {  // not a keyframe
    REQUIRE(hls.push(wire_packet(stream.packets[i])));
    // Some 100 ms later than the pictures it belongs to.
    const std::int64_t at = stream.packets[i].pts - 9000;
    REQUIRE(hls.push({.track = 1, .pts = at, .dts = at, .duration = 1500, .times = {}, .bytes = sound}));
  }
  REQUIRE(hls.end());
  CHECK(shelf.stream.codecs.ends_with(",mp4a.40.2"));
  const TemporaryFolder folder;
  const ReadMedia media = read_all(shelf, folder);
  CHECK(media.error.empty());
  REQUIRE_FALSE(media.packets.empty());
  CHECK(media.packets.front().keyframe);
  CHECK(media.packets.front().pts == 0);
  CHECK(media.packets.size() == stream.packets.size() - 30);
}

TEST_CASE("where there is no room any more, what was told of stays whole and is ended") {
  const TestStream stream = make_stream({.frames = 300, .gop = 30});
  std::size_t all = 0;
  for (const Packet& packet : stream.packets) all += packet.bytes().size();
  Shelf shelf;
  shelf.limit(all);  // parts and segments are as much again
  HlsStream hls({.segment = 1s, .window = 10}, shelf);
  REQUIRE(hls.begin(stream.parameters));
  const auto pushed = push_all(hls, stream.packets);
  REQUIRE_FALSE(pushed);
  CHECK(pushed.error().kind == ErrorKind::NoSpace);
  CHECK_FALSE(hls.end());
  CHECK(shelf.newest.ended);
  CHECK(shelf.missing.empty());
  REQUIRE_FALSE(shelf.newest.segments.empty());
  CHECK(shelf.newest.segments.back().whole);
}
