// A program of its own: it counts what a track of sound costs.
#include "session/audio_track.h"
#include "support/count_allocations.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

TEST_CASE("a track of sound allocates nothing once it runs") {
  const AudioCodec codec = GENERATE(AudioCodec::Opus, AudioCodec::Aac, AudioCodec::Flac, AudioCodec::Pcm);
  CAPTURE(to_string(codec));
  AudioOptions options;
  options.inputs.push_back({.source = TestAudio{}});
  options.inputs.push_back({.source = TestAudio{}, .gain = 0.5F});
  options.encoder.codec = codec;
  auto track = AudioTrack::open(options, 1, 1);
  REQUIRE(track);
  StreamClock clock;
  clock.run(monotonic_now(), {});
  std::vector<Packet> packets(16);
  std::size_t count = 0;
  const AudioTrack::OnPacket on_packet = [&](const Packet& packet) { packets[count++ % packets.size()] = packet; };
  const auto run = [&](Nanoseconds time) {
    const Nanoseconds until = monotonic_now() + time;
    bool good = true;
    while (monotonic_now() < until) {
      test::counting = true;
      good = good && (*track)->turn(clock, false, on_packet);
      test::counting = false;
      std::this_thread::sleep_for(5ms);
    }
    return good;
  };
  REQUIRE(run(200ms));
  std::this_thread::sleep_for(1500ms);  // what waits for this thread finds its size
  REQUIRE(run(200ms));
  const std::size_t before = count;
  test::allocations = 0;
  REQUIRE(run(1s));
  CHECK(count > before);
  CHECK(test::allocations == 0);
}
