// An encode stage that gives its encoder up for a while: nothing of it may be left, and no picture missing.
#include "session/encode_stage.h"

#include "base/parked_thread.h"
#include "unit/session/fake_encoder.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// As long as a busy machine may need.
constexpr Nanoseconds kLong = 60s;

/// A stage, and what came out of it.
class Rig {
 public:
  explicit Rig(Behaviour first, EncoderSuccession* heirs = nullptr, EncoderPatience patience = {}) {
    first.alive = &encoders;
    patience.rest = kLong;
    stage = std::make_unique<EncodeStage>(
        std::make_unique<FakeEncoder>(std::move(first)), 8, RingPolicy::Block,
        [this](const Packet& packet) {
          const std::lock_guard lock(mutex_);
          packets_.push_back(packet);
        },
        [this](const Error&) { ++errors; }, heirs, patience);
  }

  void push(std::uint32_t pictures) {
    for (std::uint32_t n = 0; n < pictures; ++n) REQUIRE(stage->push({picture(next_++, &surfaces), {}, false}));
  }
  void resume(Behaviour next, std::size_t ring_frames = 8) {
    next.alive = &encoders;
    stage->resume(std::make_unique<FakeEncoder>(std::move(next)), ring_frames);
  }
  [[nodiscard]] std::vector<Packet> packets() {
    const std::lock_guard lock(mutex_);
    return packets_;
  }
  /// Who encoded each picture.
  [[nodiscard]] std::string letters() {
    std::string letters;
    for (const Packet& packet : packets()) letters += static_cast<char>(packet.bytes().front());
    return letters;
  }
  void check_order() {
    const auto all = packets();
    for (std::size_t n = 1; n < all.size(); ++n) {
      CHECK(all[n].pts > all[n - 1].pts);
      CHECK(all[n].dts > all[n - 1].dts);
      CHECK(all[n].dts <= all[n].pts);
    }
  }

  std::atomic<int> surfaces{0};
  std::atomic<int> encoders{0};
  std::atomic<int> errors{0};

 private:
  std::mutex mutex_;
  std::vector<Packet> packets_;
  std::uint32_t next_ = 0;

 public:
  std::unique_ptr<EncodeStage> stage;  ///< ends before all that it counts in
};

}  // namespace

TEST_CASE("a stage that rests has given every picture and keeps nothing, then goes on with a keyframe") {
  const std::uint32_t holds = GENERATE(0U, 3U);
  const bool hardware = GENERATE(false, true);
  Heirs heirs({{.name = "nobody"}});
  Rig rig({.name = "first", .holds = holds, .hardware = hardware}, &heirs);
  rig.push(6);
  REQUIRE(rig.stage->rest(kLong));
  CHECK(rig.letters() == "ffffff");
  CHECK(rig.surfaces == 0);
  CHECK(rig.encoders == 0);
  rig.resume({.name = "second", .holds = holds, .hardware = hardware});
  rig.push(4);
  rig.stage->finish();
  CHECK(rig.letters() == "ffffffssss");
  rig.check_order();
  const Packet again = rig.packets().at(6);
  CHECK(again.keyframe);
  CHECK(again.new_stream);
  CHECK(rig.errors == 0);
  CHECK(rig.stage->counters().lost == 0);
  // It is no failure.
  CHECK(heirs.failures.empty());
  CHECK(rig.stage->takeovers().empty());
  CHECK(rig.stage->metrics().takeovers == 0);
  CHECK(rig.surfaces == 0);
  CHECK(rig.encoders == 0);
}

TEST_CASE("a stage rests as often as it is asked to, and may end while it does") {
  Rig rig({.name = "a"});
  rig.push(2);
  REQUIRE(rig.stage->rest(kLong));
  REQUIRE(rig.stage->rest(kLong));  // at once
  rig.resume({.name = "b"});
  REQUIRE(rig.stage->rest(kLong));  // without a picture between
  rig.resume({.name = "c"});
  rig.push(2);
  REQUIRE(rig.stage->rest(kLong));
  rig.stage->finish();
  CHECK(rig.letters() == "aacc");
  CHECK(rig.errors == 0);
  CHECK(rig.encoders == 0);
}

TEST_CASE("an encoder that fails to give its last pictures costs those, and not the stream") {
  const bool mute = GENERATE(false, true);
  Heirs heirs({{.name = "nobody"}});
  Rig rig({.name = "first", .holds = 2, .fails_to_drain = !mute, .mute = mute}, &heirs);
  rig.push(5);
  REQUIRE(rig.stage->rest(kLong));
  CHECK(rig.surfaces == 0);
  CHECK(rig.encoders == 0);
  rig.resume({.name = "second"});
  rig.push(3);
  rig.stage->finish();
  CHECK(rig.letters() == (mute ? "sss" : "fffsss"));
  CHECK(rig.stage->counters().lost == (mute ? 5 : 2));
  CHECK(rig.errors == 0);
  CHECK(heirs.failures.empty());
}

TEST_CASE("hardware that hangs as it is drained is left behind") {
  Gate gate;
  // Found by whoever waits for the rest, or by the watchdog before that.
  const bool watchdog = GENERATE(false, true);
  Heirs heirs({{.name = "nobody"}});
  Rig rig({.name = "first", .holds = 2, .hangs_in_drain = true, .gate = &gate}, &heirs,
          {.hang = watchdog ? Nanoseconds(1s) : kLong});
  rig.push(5);
  while (rig.letters() != "fff") std::this_thread::sleep_for(1ms);
  if (watchdog) {
    REQUIRE(rig.stage->rest(kLong));
  } else {
    while (!rig.stage->rest(200ms)) CHECK(rig.letters() == "fff");
  }
  CHECK(rig.surfaces == 0);
  rig.resume({.name = "second"});
  rig.push(3);
  gate.open();  // what comes back late harms nobody
  rig.stage->finish();
  CHECK(rig.letters() == "fffsss");
  rig.check_order();
  CHECK(rig.stage->counters().lost == 2);
  CHECK(rig.errors == 0);
  CHECK(heirs.failures.empty());
  CHECK(rig.encoders == 0);
}

TEST_CASE("software that takes its time is waited for") {
  Gate gate;
  Rig rig({.name = "first", .holds = 2, .hangs_in_drain = true, .hardware = false, .gate = &gate});
  rig.push(5);
  CHECK_FALSE(rig.stage->rest(50ms));
  gate.open();
  REQUIRE(rig.stage->rest(kLong));
  CHECK(rig.letters() == "fffff");
  rig.resume({.name = "second"});
  rig.push(2);
  rig.stage->finish();
  CHECK(rig.letters() == "fffffss");
  CHECK(rig.stage->counters().lost == 0);
}

TEST_CASE("nobody takes over from an encoder that fails while it is to rest") {
  Gate gate;
  Heirs heirs({{.name = "nobody"}});
  Rig rig({.name = "first", .fails_at = 2, .hardware = false, .hangs_at = 2, .gate = &gate}, &heirs, {.hang = kLong});
  rig.push(6);
  CHECK_FALSE(rig.stage->rest(50ms));
  gate.open();
  REQUIRE(rig.stage->rest(kLong));
  CHECK(rig.letters() == "ff");
  CHECK(heirs.failures.empty());
  CHECK(rig.stage->counters().lost == 4);
  rig.resume({.name = "second"});
  rig.push(2);
  rig.stage->finish();
  CHECK(rig.letters() == "ffss");
  CHECK(rig.errors == 0);
}

TEST_CASE("after a rest the stage is as watchful as before") {
  Heirs heirs({{.name = "third"}});
  Rig rig({.name = "first"}, &heirs);
  rig.push(2);
  REQUIRE(rig.stage->rest(kLong));
  rig.resume({.name = "second", .fails_at = 1});
  rig.push(3);
  rig.stage->finish();
  CHECK(rig.letters() == "ffstt");
  CHECK(heirs.failures == std::vector<std::string>{"second: the device is gone"});
  CHECK(rig.stage->takeovers().size() == 1);
}

TEST_CASE("what is asked of a resting stage is for its next encoder") {
  Asked asked;
  Rig rig({.name = "first"});
  rig.push(1);
  REQUIRE(rig.stage->rest(kLong));
  CHECK(rig.stage->set_bitrate(2'000'000, true));
  rig.stage->request_keyframe();
  rig.resume({.name = "second", .asked = &asked});
  rig.push(1);
  rig.stage->finish();
  CHECK(asked.words == std::vector<std::string>{"0 2000000", "0 keyframe"});
}

TEST_CASE("a ring holds what the next importer can spare, and never more than at first") {
  Rig rig({.name = "first"});
  CHECK(rig.stage->ring().capacity() == 8);
  REQUIRE(rig.stage->rest(kLong));
  rig.resume({.name = "second"}, 2);
  CHECK(rig.stage->ring().capacity() == 2);
  rig.push(10);
  REQUIRE(rig.stage->rest(kLong));
  rig.resume({.name = "third"}, 100);
  CHECK(rig.stage->ring().capacity() == 8);
  rig.push(10);
  rig.stage->finish();
  CHECK(rig.letters() == std::string(10, 's') + std::string(10, 't'));
  rig.check_order();
}
