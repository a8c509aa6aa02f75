// An encode stage that ends before the machine sleeps, and the one that goes on with its stream: nothing of the first
// may be left, and no picture missing.
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

/// A stream's stages, one after the other, and what came out of them.
class Rig {
 public:
  explicit Rig(Behaviour first, EncoderSuccession* heirs = nullptr, EncoderPatience patience = {})
      : heirs_(heirs), patience_(patience) {
    patience_.sleep = kLong;
    begin(std::move(first));
  }

  void begin(Behaviour behaviour) {
    behaviour.alive = &encoders;
    stage = std::make_unique<EncodeStage>(
        stream, std::make_unique<FakeEncoder>(std::move(behaviour)), 8, RingPolicy::Block,
        [this](const Packet& packet) {
          const std::lock_guard lock(mutex_);
          packets_.push_back(packet);
        },
        [this](const Error&) { ++errors; }, heirs_, patience_);
  }
  void push(std::uint32_t pictures) {
    for (std::uint32_t n = 0; n < pictures; ++n) REQUIRE(stage->push({picture(next_++, &surfaces), {}, false}));
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
  EncodedStream stream;

 private:
  EncoderSuccession* heirs_;
  EncoderPatience patience_;
  std::mutex mutex_;
  std::vector<Packet> packets_;
  std::uint32_t next_ = 0;

 public:
  std::unique_ptr<EncodeStage> stage;  ///< ends before all that it counts in
};

}  // namespace

TEST_CASE("a stage that ends for a sleep has given every picture and keeps nothing; the next begins with a keyframe") {
  const std::uint32_t holds = GENERATE(0U, 3U);
  const bool hardware = GENERATE(false, true);
  Heirs heirs({{.name = "nobody"}});
  Rig rig({.name = "first", .holds = holds, .hardware = hardware}, &heirs);
  rig.push(6);
  REQUIRE(rig.stage->finish_within(kLong));
  REQUIRE(rig.stage->finish_within(kLong));  // at once
  CHECK(rig.letters() == "ffffff");
  CHECK(rig.surfaces == 0);
  CHECK(rig.encoders == 0);
  rig.begin({.name = "second", .holds = holds, .hardware = hardware});
  rig.push(4);
  rig.stage->finish();
  CHECK(rig.letters() == "ffffffssss");
  rig.check_order();
  const Packet again = rig.packets().at(6);
  CHECK(again.keyframe);
  CHECK(again.new_stream);
  CHECK_FALSE(rig.packets().at(0).new_stream);
  CHECK(rig.errors == 0);
  CHECK(rig.stream.metrics.frames == 10);
  CHECK(rig.stream.metrics.lost == 0);
  // It is no failure.
  CHECK(heirs.failures.empty());
  CHECK(failovers(rig.stream).empty());
  CHECK(rig.stream.metrics.failovers == 0);
  CHECK(rig.surfaces == 0);
  CHECK(rig.encoders == 0);
}

TEST_CASE("an encoder that fails to give its last pictures costs those, and not the stream") {
  const bool mute = GENERATE(false, true);
  Heirs heirs({{.name = "nobody"}});
  Rig rig({.name = "first", .holds = 2, .fails_to_drain = !mute, .mute = mute}, &heirs);
  rig.push(5);
  REQUIRE(rig.stage->finish_within(kLong));
  CHECK(rig.surfaces == 0);
  CHECK(rig.encoders == 0);
  rig.begin({.name = "second"});
  rig.push(3);
  rig.stage->finish();
  CHECK(rig.letters() == (mute ? "sss" : "fffsss"));
  CHECK(rig.stream.metrics.lost == (mute ? 5 : 2));
  CHECK(rig.errors == 0);
  CHECK(heirs.failures.empty());
}

TEST_CASE("hardware that hangs as it is drained is left behind") {
  Gate gate;
  // Found by whoever waits for the end, or by the watchdog before that.
  const bool watchdog = GENERATE(false, true);
  Heirs heirs({{.name = "nobody"}});
  Rig rig({.name = "first", .holds = 2, .hangs_in_drain = true, .gate = &gate}, &heirs,
          {.hang = watchdog ? Nanoseconds(1s) : kLong});
  rig.push(5);
  while (rig.letters() != "fff") std::this_thread::sleep_for(1ms);
  if (watchdog) {
    REQUIRE(rig.stage->finish_within(kLong));
  } else {
    while (!rig.stage->finish_within(200ms)) CHECK(rig.letters() == "fff");
  }
  CHECK(rig.surfaces == 0);
  rig.begin({.name = "second"});
  rig.push(3);
  gate.open();  // what comes back late harms nobody
  rig.stage->finish();
  CHECK(rig.letters() == "fffsss");
  rig.check_order();
  CHECK(rig.stream.metrics.lost == 2);
  CHECK(rig.errors == 0);
  CHECK(heirs.failures.empty());
  for (int tries = 0; tries < 6000 && parked_threads() > 0; ++tries) std::this_thread::sleep_for(10ms);
  CHECK(rig.encoders == 0);
}

TEST_CASE("software that takes its time is waited for") {
  Gate gate;
  Rig rig({.name = "first", .holds = 2, .hangs_in_drain = true, .hardware = false, .gate = &gate});
  rig.push(5);
  CHECK_FALSE(rig.stage->finish_within(50ms));
  gate.open();
  rig.stage->finish();
  CHECK(rig.letters() == "fffff");
  rig.begin({.name = "second"});
  rig.push(2);
  rig.stage->finish();
  CHECK(rig.letters() == "fffffss");
  CHECK(rig.stream.metrics.lost == 0);
}

TEST_CASE("nobody takes over from an encoder that fails as its stage ends for a sleep") {
  Gate gate;
  Heirs heirs({{.name = "nobody"}});
  Rig rig({.name = "first", .fails_at = 2, .hardware = false, .hangs_at = 2, .gate = &gate}, &heirs, {.hang = kLong});
  rig.push(6);
  CHECK_FALSE(rig.stage->finish_within(50ms));
  gate.open();
  rig.stage->finish();
  CHECK(rig.letters() == "ff");
  CHECK(heirs.failures.empty());
  CHECK(rig.stream.metrics.lost == 4);
  rig.begin({.name = "second"});
  rig.push(2);
  rig.stage->finish();
  CHECK(rig.letters() == "ffss");
  CHECK(rig.errors == 0);
}

TEST_CASE("the next stage is as watchful as the one before") {
  Heirs heirs({{.name = "third"}});
  Rig rig({.name = "first"}, &heirs);
  rig.push(2);
  REQUIRE(rig.stage->finish_within(kLong));
  rig.begin({.name = "second", .fails_at = 1});
  rig.push(3);
  rig.stage->finish();
  CHECK(rig.letters() == "ffstt");
  CHECK(heirs.failures == std::vector<std::string>{"second: the device is gone"});
  CHECK(failovers(rig.stream).size() == 1);
}
