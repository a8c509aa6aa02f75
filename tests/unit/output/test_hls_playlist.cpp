#include "output/hls_playlist.h"

#include "media/packet.h"

#include <catch2/catch_test_macros.hpp>

#include <sstream>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::hls;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kSecond = kPacketClock;

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

Segment segment(std::uint64_t number, bool whole, std::vector<Part> parts = {}) {
  Segment one;
  one.number = number;
  one.header = 1;
  // 2026-03-01 12:00:00.250 UTC
  one.date = std::chrono::sys_time<std::chrono::milliseconds>(1'772'366'400'250LL * 1ms);
  one.duration = 2 * kSecond;
  one.whole = whole;
  one.parts = std::move(parts);
  return one;
}

Window window() {
  Window all;
  all.segments.push_back(segment(7, true));
  all.segments.push_back(segment(8, true, {{kSecond / 5, true}, {kSecond / 10, false}}));
  all.segments.push_back(segment(9, false, {{kSecond / 5, true}}));
  return all;
}

}  // namespace

TEST_CASE("a playlist for who waits: parts, the next one, and how far to stay behind") {
  CHECK(lines(media_playlist(window(), {.waits = true})) ==
        std::vector<std::string>{
            "#EXTM3U",
            "# zerocast",
            "#EXT-X-VERSION:9",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            "#EXT-X-TARGETDURATION:3",
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=9.000,PART-HOLD-BACK=0.600",
            "#EXT-X-PART-INF:PART-TARGET=0.200",
            "#EXT-X-MEDIA-SEQUENCE:7",
            "#EXT-X-DISCONTINUITY-SEQUENCE:0",
            "#EXT-X-MAP:URI=\"init-1.mp4\"",
            "#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:00.250Z",
            "#EXTINF:2.00000,",
            "seg-7.m4s",
            "#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:00.250Z",
            "#EXT-X-PART:DURATION=0.20000,URI=\"seg-8.0.m4s\",INDEPENDENT=YES",
            "#EXT-X-PART:DURATION=0.10000,URI=\"seg-8.1.m4s\"",
            "#EXTINF:2.00000,",
            "seg-8.m4s",
            "#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:00.250Z",
            "#EXT-X-PART:DURATION=0.20000,URI=\"seg-9.0.m4s\",INDEPENDENT=YES",
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"seg-9.1.m4s\"",
        });
}

TEST_CASE("a folder promises nothing that a plain web server cannot do") {
  const std::string text = media_playlist(window(), {});
  CHECK_FALSE(text.contains("CAN-BLOCK-RELOAD"));
  CHECK_FALSE(text.contains("PRELOAD-HINT"));
  // Who asks once a segment has parts to play until then.
  CHECK(text.contains("PART-HOLD-BACK=3.600\n"));
  CHECK(text.contains("#EXT-X-PART:"));
}

TEST_CASE("without parts it is plain HLS") {
  Window plain = window();
  plain.timing.part = 0ms;
  for (Segment& one : plain.segments) one.parts.clear();
  const std::string text = media_playlist(plain, {.waits = true});
  CHECK_FALSE(text.contains("PART"));
  CHECK_FALSE(text.contains("seg-9"));  // of a segment that is not whole there is nothing to tell
  CHECK(text.contains("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,HOLD-BACK=9.000\n"));
}

TEST_CASE("another stream has another header behind a discontinuity") {
  Window two = window();
  two.discontinuities = 4;
  two.segments[1].header = 2;
  two.segments[1].discontinuity = true;
  two.segments[2].header = 2;
  const std::string text = media_playlist(two, {.waits = true});
  CHECK(text.contains("#EXT-X-DISCONTINUITY-SEQUENCE:4\n"));
  CHECK(text.contains("seg-7.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-2.mp4\"\n"));
  CHECK(text.find("init-2.mp4") == text.rfind("init-2.mp4"));
}

TEST_CASE("the end is told, and nothing hinted at") {
  Window over = window();
  over.segments.pop_back();
  over.ended = true;
  const std::string text = media_playlist(over, {.waits = true});
  CHECK(text.ends_with("seg-8.m4s\n#EXT-X-ENDLIST\n"));
  CHECK_FALSE(text.contains("PRELOAD-HINT"));
}

TEST_CASE("a token goes behind every name") {
  const Form form{.waits = true, .suffix = "?token=c1.f"};
  for (const std::string& line : lines(media_playlist(window(), form))) {
    CAPTURE(line);
    const bool names = line.contains(".m4s") || line.contains(".mp4");
    CHECK(names == line.contains("?token=c1.f"));
  }
  const Variant variant{
      .codecs = "avc1.42C020,mp4a.40.2", .size = {1280, 720}, .rate = 30, .bits_per_second = 4'000'000};
  CHECK(multivariant_playlist(variant, form) ==
        "#EXTM3U\n# zerocast\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=4000000,CODECS=\"avc1.42C020,mp4a.40.2\",RESOLUTION=1280x720,VIDEO-RANGE=SDR,"
        "FRAME-RATE=30.000\nmedia.m3u8?token=c1.f\n");
}

TEST_CASE("a segment may be a second longer than it should, and pictures come often enough for parts") {
  CHECK(target_duration({.segment = 2000ms}) == 3s);
  CHECK(target_duration({.segment = 10s}) == 11s);
  CHECK(longest_gap({.part = 200ms}) == 170ms);
  CHECK_FALSE(longest_gap({.part = 0ms}));
}
