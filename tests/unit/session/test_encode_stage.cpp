// An encoder that fails while it works, and the one that takes over.
#include "session/encode_stage.h"

#include "base/error.h"
#include "base/parked_thread.h"
#include "unit/session/fake_encoder.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

struct Outcome {
  std::string letters;  ///< who encoded each picture
  std::vector<Packet> packets;
  std::vector<Error> errors;
  std::uint64_t lost = 0;
  std::vector<Failover> failovers;
};

/// For encoders that hang. Anybody's thread may stand still for a while on a busy machine: others are not called hung.
constexpr EncoderPatience kShort{.stall = std::chrono::milliseconds(60), .hang = std::chrono::seconds(1)};
constexpr EncoderPatience kPatient{.stall = std::chrono::milliseconds(60), .hang = std::chrono::minutes(2)};

Outcome run(Behaviour first, EncoderSuccession* heirs, std::uint32_t pictures) {
  Outcome outcome;
  const EncoderPatience patience = first.gate == nullptr ? kPatient : kShort;
  EncodedStream stream;
  EncodeStage stage(
      stream, std::make_unique<FakeEncoder>(std::move(first)), 4, RingPolicy::Block,
      [&](const Packet& packet) {
        outcome.letters += static_cast<char>(packet.bytes().front());
        outcome.packets.push_back(packet);
      },
      [&](const Error& error) { outcome.errors.push_back(error); }, heirs, patience);
  for (std::uint32_t n = 0; n < pictures; ++n) REQUIRE(stage.push({picture(n), {}, false}));
  stage.finish();
  outcome.lost = stage.metrics().lost.load();
  outcome.failovers = failovers(stream);
  return outcome;
}

/// For the threads that have come back to end, too.
void wait_for_park(std::size_t left) {
  while (parked_threads() > left) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void check_times(const Outcome& outcome, std::uint32_t pictures) {
  REQUIRE(outcome.packets.size() == pictures);
  for (std::uint32_t n = 0; n < pictures; ++n) {
    const Packet& packet = outcome.packets[n];
    CHECK(packet.pts == to_packet_clock(std::chrono::milliseconds(20) * n));
    CHECK(packet.dts <= packet.pts);
    if (n > 0) CHECK(packet.dts > outcome.packets[n - 1].dts);
  }
}

}  // namespace

TEST_CASE("the picture in hand and those inside the failed encoder are encoded by the next") {
  const std::uint32_t holds = GENERATE(0U, 2U);
  Heirs heirs({{.name = "soft"}});
  const Outcome outcome = run({.name = "hard", .holds = holds, .fails_at = 5}, &heirs, 10);
  CHECK(outcome.letters == std::string(5 - holds, 'h') + std::string(5 + holds, 's'));
  check_times(outcome, 10);
  CHECK(outcome.packets[5 - holds].keyframe);
  CHECK(outcome.errors.empty());
  CHECK(heirs.failures == std::vector<std::string>{"hard: the device is gone"});
  CHECK(outcome.lost == 0);
}

TEST_CASE("an heir that fails at once is followed by the next") {
  Heirs heirs({{.name = "also hard", .fails_at = 1}, {.name = "soft"}});
  const Outcome outcome = run({.name = "hard", .holds = 3, .fails_at = 4}, &heirs, 8);
  CHECK(outcome.letters == "hassssss");
  check_times(outcome, 8);
  CHECK(outcome.errors.empty());
  CHECK(heirs.failures.size() == 2);
}

TEST_CASE("the last pictures survive an encoder that fails when it is drained") {
  Heirs heirs({{.name = "soft"}});
  const Outcome outcome = run({.name = "hard", .holds = 2, .fails_to_drain = true}, &heirs, 6);
  CHECK(outcome.letters == "hhhhss");
  check_times(outcome, 6);
}

TEST_CASE("an encoder that takes everything and gives nothing is replaced") {
  Heirs heirs({{.name = "soft"}});
  const Outcome outcome = run({.name = "hard", .mute = true}, &heirs, 80);
  CHECK(outcome.letters == std::string(80, 's'));
  check_times(outcome, 80);
  REQUIRE(heirs.failures.size() == 1);
  CHECK(heirs.failures.front().find("it took 5 pictures and gave none for ") != std::string::npos);
}

TEST_CASE("a successor of another layout gets the pictures in its own") {
  Heirs heirs({{.name = "planar", .input = PixelFormat::I420}});
  const Outcome outcome = run({.name = "hard", .fails_at = 3}, &heirs, 6);
  CHECK(outcome.letters == "hhhppp");
  check_times(outcome, 6);
}

TEST_CASE("with nobody left the stream ends once, with the reason, and the ring runs empty") {
  SECTION("no succession at all") {
    const Outcome outcome = run({.name = "hard", .fails_at = 3}, nullptr, 12);
    CHECK(outcome.letters == "hhh");
    REQUIRE(outcome.errors.size() == 1);
    CHECK(outcome.errors.front().detail == "the device is gone");
  }
  SECTION("the last heir fails too") {
    Heirs heirs({{.name = "soft", .fails_at = 2}});
    const Outcome outcome = run({.name = "hard", .fails_at = 3}, &heirs, 12);
    CHECK(outcome.letters == "hhhss");
    CHECK(outcome.errors.size() == 1);
  }
  SECTION("an heir of a layout that the pictures cannot take") {
    Heirs heirs({{.name = "wide", .input = PixelFormat::I444}});
    const Outcome outcome = run({.name = "hard", .fails_at = 3}, &heirs, 6);
    CHECK(outcome.letters == "hhh");
    CHECK(outcome.errors.size() == 1);
  }
}

TEST_CASE("software that gives nothing is replaced after many pictures: how many it keeps is its own affair") {
  Heirs heirs({{.name = "soft"}});
  const Outcome outcome = run({.name = "quiet", .mute = true, .hardware = false}, &heirs, 80);
  CHECK(outcome.letters == std::string(80, 's'));
  check_times(outcome, 80);
  CHECK(heirs.failures.front().find("took 64 pictures and gave none") != std::string::npos);
}

TEST_CASE("hardware that keeps what it said it would is left alone") {
  Heirs heirs({{.name = "soft"}});
  const Outcome outcome = run({.name = "hard", .holds = 12}, &heirs, 40);
  CHECK(outcome.letters == std::string(40, 'h'));
  CHECK(heirs.failures.empty());
}

TEST_CASE("an encoder that takes no more pictures and gives none is replaced") {
  Heirs heirs({{.name = "soft"}});
  const Outcome outcome = run({.name = "hard", .holds = 3, .busy_at = 6}, &heirs, 12);
  CHECK(outcome.letters == "hhh" + std::string(9, 's'));
  check_times(outcome, 12);
  CHECK(outcome.lost == 0);
}

TEST_CASE("an encoder that keeps pictures at its end is replaced for them") {
  Heirs heirs({{.name = "soft"}});
  const Outcome outcome = run({.name = "hard", .mute = true}, &heirs, 3);
  CHECK(outcome.letters == "sss");
  check_times(outcome, 3);
}

TEST_CASE("each failover is told, with what it took") {
  Heirs heirs({{.name = "also hard", .fails_at = 2}, {.name = "soft"}});
  const Outcome outcome = run({.name = "hard", .fails_at = 4}, &heirs, 12);
  REQUIRE(outcome.failovers.size() == 2);
  CHECK(outcome.failovers[0].failed == "hard");
  CHECK(outcome.failovers[0].encoder == "also hard");
  CHECK(outcome.failovers[1].failed == "also hard");
  CHECK(outcome.failovers[1].encoder == "soft");
  for (const Failover& failover : outcome.failovers) {
    CHECK(failover.reason == "the device is gone");
    CHECK(failover.resumed >= failover.opened);
    CHECK(failover.first_packet >= failover.opened);
  }
}

TEST_CASE("a call that does not return is left behind, and no picture with it") {
  Gate gate;
  Heirs heirs({{.name = "soft"}});
  const std::size_t parked = parked_threads();
  const Outcome outcome = run({.name = "hard", .holds = 2, .hangs_at = 6, .gate = &gate}, &heirs, 14);
  CHECK(outcome.letters == "hhhh" + std::string(10, 's'));
  check_times(outcome, 14);
  CHECK(outcome.errors.empty());
  CHECK(heirs.failures.front().find("has not come back from a call") != std::string::npos);
  // The stage has ended; the thread that stands in the driver is still there, and harms nothing when it comes back.
  CHECK(parked_threads() == parked + 1);
  gate.open();
  gate.wait_until_empty();
  wait_for_park(parked);
}

TEST_CASE("a call that comes back late ends its thread") {
  Gate gate;
  Heirs heirs({{.name = "soft"}});
  const std::size_t parked = parked_threads();
  std::string letters;
  {
    EncodedStream stream;
    EncodeStage stage(
        stream, std::make_unique<FakeEncoder>(Behaviour{.name = "hard", .hangs_at = 2, .gate = &gate}), 4,
        RingPolicy::Block, [&](const Packet& packet) { letters += static_cast<char>(packet.bytes().front()); },
        [](const Error&) {}, &heirs, kShort);
    for (std::uint32_t n = 0; n < 8; ++n) REQUIRE(stage.push({picture(n), {}, false}));
    while (failovers(stream).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    gate.open();
    stage.finish();
  }
  CHECK(letters == "hhssssss");
  CHECK(parked_threads() == parked);
}

TEST_CASE("hardware that hangs with nobody to follow ends the stream with the reason, and the ring runs empty") {
  Gate gate;
  const std::size_t parked = parked_threads();
  const Outcome outcome = run({.name = "hard", .hangs_at = 3, .gate = &gate}, nullptr, 20);
  CHECK(outcome.letters == "hhh");
  REQUIRE(outcome.errors.size() == 1);
  CHECK(outcome.errors.front().kind == ErrorKind::Timeout);
  gate.open();
  gate.wait_until_empty();
  wait_for_park(parked);
}

TEST_CASE("settings are changed at once, without a picture, and the answer is the encoder's") {
  Asked asked;
  Heirs heirs({});
  EncodedStream stream;
  EncodeStage stage(
      stream, std::make_unique<FakeEncoder>(Behaviour{.name = "hard", .asked = &asked}), 4, RingPolicy::Block,
      [](const Packet&) {}, [](const Error&) {}, &heirs, kPatient);
  stage.request_keyframe();
  CHECK(stage.set_bitrate(2'000'000, true));
  CHECK(stage.set_rate({30, 1}, true));
  CHECK(stage.set_bitrate(1'000'000, false).error().kind == ErrorKind::Unsupported);
  for (std::uint32_t n = 0; n < 3; ++n) REQUIRE(stage.push({picture(n), {}, false}));
  stage.finish();
  CHECK(asked.words == std::vector<std::string>{"0 2000000", "0 30/1", "0 1000000", "0 keyframe"});
  CHECK(stage.metrics().reopens == 0);
  CHECK(stage.metrics().frames.load() == 3);
}

TEST_CASE("a change by opening anew is counted and told; one that is refused changes nothing") {
  Asked asked;
  const bool refused = GENERATE(false, true);
  Behaviour behaviour{.name = "hard", .asked = &asked, .reopens = true};
  if (refused) behaviour.refuses_changes = ErrorKind::Unsupported;
  Heirs heirs({{.name = "soft"}});
  EncodedStream stream;
  EncodeStage stage(
      stream, std::make_unique<FakeEncoder>(behaviour), 4, RingPolicy::Block, [](const Packet&) {}, [](const Error&) {},
      &heirs, kPatient);
  CHECK(stage.set_bitrate(2'000'000, true).has_value() == !refused);
  REQUIRE(stage.push({picture(0), {}, false}));
  stage.finish();
  CHECK(stage.metrics().reopens == (refused ? 0 : 1));
  CHECK(heirs.reopenings.size() == (refused ? 0 : 1));
  CHECK(heirs.failures.empty());
  CHECK(stage.metrics().frames.load() == 1);
}

TEST_CASE("an encoder that stands in a call stays as it is, and each answer is its own question's") {
  Gate gate;
  Asked asked;
  EncodedStream stream;
  EncodeStage stage(
      stream,
      std::make_unique<FakeEncoder>(
          Behaviour{.name = "soft", .hardware = false, .hangs_at = 0, .gate = &gate, .asked = &asked}),
      4, RingPolicy::Block, [](const Packet&) {}, [](const Error&) {}, nullptr, kPatient);
  REQUIRE(stage.push({picture(0), {}, false}));
  gate.wait_until_entered();
  CHECK(stage.set_bitrate(2'000'000, true).error().kind == ErrorKind::Busy);
  gate.open();
  CHECK(stage.set_bitrate(1'000'000, false).error().kind == ErrorKind::Unsupported);
  CHECK(stage.set_bitrate(1'000'000, true));
  stage.finish();
  CHECK(asked.words == std::vector<std::string>{"1 1000000", "1 1000000"});
}

TEST_CASE("an encoder that dies of a change is replaced") {
  Heirs heirs({{.name = "soft"}});
  EncodedStream stream;
  EncodeStage stage(
      stream, std::make_unique<FakeEncoder>(Behaviour{.name = "hard", .refuses_changes = ErrorKind::Lost}), 4,
      RingPolicy::Block, [](const Packet&) {}, [](const Error&) {}, &heirs, kPatient);
  REQUIRE(stage.push({picture(0), {}, false}));
  CHECK(stage.set_rate({10, 1}, true));  // whoever takes over has it
  for (std::uint32_t n = 1; n < 4; ++n) REQUIRE(stage.push({picture(n), {}, false}));
  stage.finish();
  CHECK(heirs.failures.size() == 1);
  CHECK(stage.metrics().frames.load() == 4);
}

TEST_CASE("pictures of another size: all that the encoder held comes out, then a keyframe of the new size") {
  const std::uint32_t holds = GENERATE(0U, 2U);
  Asked asked;
  Heirs heirs({});
  Outcome outcome;
  EncodedStream stream;
  EncodeStage stage(
      stream, std::make_unique<FakeEncoder>(Behaviour{.name = "hard", .holds = holds, .asked = &asked}), 4,
      RingPolicy::Block, [&](const Packet& packet) { outcome.packets.push_back(packet); }, [](const Error&) {}, &heirs,
      kPatient);
  constexpr Size kSmall{32, 48};
  for (std::uint32_t n = 0; n < 8; ++n) {
    REQUIRE(stage.push({picture(n, nullptr, n < 4 ? kFormat.size : kSmall), {}, false}));
  }
  stage.finish();
  check_times(outcome, 8);
  CHECK(asked.words == std::vector<std::string>{"4 32x48"});
  CHECK(heirs.reopenings.size() == 1);
  CHECK(stage.metrics().reopens == 1);
  for (std::uint32_t n = 0; n < 8; ++n) {
    const Packet& packet = outcome.packets[n];
    CHECK(packet.keyframe == (n % 4 == 0));
    CHECK((packet.new_stream != nullptr) == (n == 4));
    if (n == 4) CHECK(packet.new_stream->size == kSmall);
  }
}

TEST_CASE("a size that the encoder does not take costs pictures of that size until their maker knows") {
  Asked asked;
  Heirs heirs({});
  std::atomic<std::uint64_t> packets{0};
  EncodedStream stream;
  EncodeStage stage(
      stream,
      std::make_unique<FakeEncoder>(
          Behaviour{.name = "hard", .asked = &asked, .refuses_changes = ErrorKind::Unsupported}),
      4, RingPolicy::Block, [&](const Packet&) { ++packets; }, [](const Error&) {}, &heirs, kPatient);
  constexpr Size kSmall{32, 48};
  for (std::uint32_t n = 0; n < 6; ++n) {
    REQUIRE(stage.push({picture(n, nullptr, n == 2 || n == 3 ? kSmall : kFormat.size), {}, false}));
  }
  stage.finish();
  CHECK(packets == 4);
  CHECK(stage.metrics().lost.load() == 2);
  CHECK(asked.words == std::vector<std::string>{"2 32x48"});
  CHECK(stage.take_refused_size() == kSmall);
  const auto input = stage.take_new_input();
  REQUIRE(input);
  CHECK(input->size == kFormat.size);
  CHECK_FALSE(stage.take_refused_size());
}

TEST_CASE("an encoder that dies of another size is replaced by one that takes it") {
  Heirs heirs({{.name = "soft"}});
  Outcome outcome;
  EncodedStream stream;
  EncodeStage stage(
      stream, std::make_unique<FakeEncoder>(Behaviour{.name = "hard", .holds = 2, .refuses_changes = ErrorKind::Lost}),
      4, RingPolicy::Block, [&](const Packet& packet) { outcome.packets.push_back(packet); }, [](const Error&) {},
      &heirs, kPatient);
  for (std::uint32_t n = 0; n < 6; ++n) {
    REQUIRE(stage.push({picture(n, nullptr, n < 3 ? kFormat.size : Size{32, 48}), {}, false}));
  }
  stage.finish();
  check_times(outcome, 6);
  CHECK(heirs.failures.size() == 1);
  REQUIRE(outcome.packets[3].new_stream);
  CHECK(outcome.packets[3].new_stream->size == Size{32, 48});
}

TEST_CASE("the metrics can be read by anybody at any time") {
  Heirs heirs({});
  EncodedStream stream;
  EncodeStage stage(
      stream, std::make_unique<FakeEncoder>(Behaviour{.name = "hard"}), 4, RingPolicy::Block, [](const Packet&) {},
      [](const Error&) {}, &heirs, kPatient);
  std::atomic<bool> over{false};
  std::atomic<bool> fell{false};
  std::jthread reader([&] {
    std::uint64_t before = 0;
    while (!over.load()) {
      const std::uint64_t frames = stage.metrics().frames.load();
      if (frames < before) fell.store(true);
      before = frames;
      static_cast<void>(stage.metrics().encoding.quantile(0.5));
    }
  });
  for (std::uint32_t n = 0; n < 50; ++n) REQUIRE(stage.push({picture(n), monotonic_now(), false}));
  stage.finish();
  over.store(true);
  reader.join();
  CHECK_FALSE(fell.load());
  CHECK(stage.metrics().frames.load() == 50);
  CHECK(stage.metrics().keyframes == 1);
  CHECK(stage.metrics().bytes == 50);
  CHECK(stage.metrics().encoding.count() == 50);
  CHECK(stage.metrics().encoding.count_within(std::chrono::hours(1)) == 50);
  CHECK(stage.metrics().latency.sum() >= stage.metrics().encoding.sum());
}

TEST_CASE("a ring never holds more surfaces than the pool can spare") {
  CHECK(most_ring_frames(64, 2) == 58);
  CHECK(most_ring_frames(64, 50) == 10);
  CHECK(most_ring_frames(8, 2) == 2);
  CHECK(most_ring_frames(4, 2) == 1);
  CHECK(most_ring_frames(0, 0) == 1);
}
