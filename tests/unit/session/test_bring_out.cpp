// An encoder that gives a picture when more have come, where none come.
#include "session/encode_stage.h"

#include "unit/session/fake_encoder.h"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// A stage whose encoder holds three pictures.
class Rig {
 public:
  explicit Rig(bool hardware, EncoderSuccession* heirs = nullptr)
      : stage(
            stream_,
            std::make_unique<FakeEncoder>(
                Behaviour{.name = "first", .holds = 3, .hardware = hardware, .asked = &asked_}),
            8, RingPolicy::Block,
            [this](const Packet& packet) {
              const std::lock_guard lock(mutex_);
              packets_.push_back(packet);
            },
            [this](const Error&) { ++errors; }, heirs) {}

  void push(std::uint32_t pictures, bool repeat = false) {
    for (std::uint32_t n = 0; n < pictures; ++n) REQUIRE(stage.push({picture(next_++), {}, repeat}));
  }
  [[nodiscard]] std::vector<Packet> packets() {
    const std::lock_guard lock(mutex_);
    return packets_;
  }
  void wait_for(std::size_t packets_out) {
    while (packets().size() < packets_out) std::this_thread::sleep_for(1ms);
  }
  [[nodiscard]] std::size_t flushes() {
    const std::lock_guard lock(asked_.mutex);
    std::size_t count = 0;
    for (const std::string& word : asked_.words) count += word.ends_with("flush") ? 1U : 0U;
    return count;
  }
  /// Each picture once, in order.
  void check(std::size_t pictures) {
    stage.finish();
    const auto all = packets();
    REQUIRE(all.size() == pictures);
    for (std::size_t n = 0; n < pictures; ++n) CHECK(all[n].pts == to_packet_clock(20ms * n));
    CHECK(errors == 0);
    CHECK(stage.metrics().lost.load() == 0);
  }

  std::atomic<int> errors{0};

 private:
  EncodedStream stream_;
  Asked asked_;
  std::mutex mutex_;
  std::vector<Packet> packets_;
  std::uint32_t next_ = 0;

 public:
  EncodeStage stage;  ///< ends before all that it writes to
};

}  // namespace

TEST_CASE("pictures come out of an encoder that holds them though none follow, and no picture is made up for that") {
  Heirs heirs({{.name = "nobody"}});
  Rig rig(true, &heirs);
  rig.push(5);
  rig.wait_for(5);
  CHECK(rig.flushes() == 1);
  rig.push(1);  // it goes on with a keyframe
  rig.wait_for(6);
  CHECK(rig.packets().back().keyframe);
  CHECK(rig.flushes() == 2);
  CHECK(heirs.failures.empty());
  rig.check(6);
}

TEST_CASE("a keyframe that was asked for comes out of a still screen's repeats") {
  Rig rig(false);
  rig.push(1);
  rig.push(3, true);
  rig.wait_for(1);
  rig.stage.request_keyframe();
  rig.push(1, true);
  rig.wait_for(5);
  CHECK(rig.flushes() == 1);
  CHECK(rig.stage.metrics().taken == 5);
  rig.check(5);
}

TEST_CASE("who wants the newest pictures gets what has been in the encoder for a while") {
  Rig rig(false);
  rig.push(5);
  rig.stage.bring_out();
  rig.push(2, true);
  while (rig.packets().size() < 7) {
    rig.stage.bring_out();
    std::this_thread::sleep_for(10ms);
  }
  const std::size_t flushes = rig.flushes();
  rig.stage.bring_out();  // it holds nothing
  CHECK(rig.flushes() == flushes);
  REQUIRE(rig.stage.finish_within(60s));
  rig.stage.bring_out();  // there is no encoder
  rig.check(7);
}
