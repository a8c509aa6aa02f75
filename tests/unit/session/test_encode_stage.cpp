// An encoder that fails while it works, and the one that takes over.
#include "session/encode_stage.h"

#include "base/error.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/frame.h>
#include <libavutil/pixfmt.h>
}

using namespace zc;

namespace {

constexpr SurfaceFormat kFormat{PixelFormat::NV12, {64, 64}};
constexpr std::uint32_t kForEver = std::numeric_limits<std::uint32_t>::max();

struct Behaviour {
  std::string name;
  std::uint32_t holds = 0;            ///< pictures it keeps inside
  std::uint32_t fails_at = kForEver;  ///< submit() of this picture (from 0) fails
  bool fails_to_drain = false;
  bool mute = false;  ///< takes everything, gives nothing
  PixelFormat input = PixelFormat::NV12;
};

/// "Encodes" a picture to its encoder's first letter; the first one is a keyframe.
class FakeEncoder final : public Encoder {
 public:
  explicit FakeEncoder(Behaviour behaviour) : behaviour_(std::move(behaviour)) {
    input_ = kFormat;
    input_.format = behaviour_.input;
  }
  std::string_view name() const override { return behaviour_.name; }
  const SurfaceFormat& input() const override { return input_; }
  const StreamParameters& stream() const override { return stream_; }
  Result<void> submit(const Surface& surface) override {
    if (surface.format() != input_) return fail(ErrorKind::Internal, "submit", "not my format");
    if (submitted_++ == behaviour_.fails_at) return fail(ErrorKind::Lost, "encode", "the device is gone");
    inside_.push_back(to_packet_clock(surface.stream_time));
    return {};
  }
  Result<std::optional<Packet>> receive() override {
    if (behaviour_.mute || inside_.size() <= (draining_ ? 0 : behaviour_.holds)) return std::nullopt;
    AvBufferPtr buffer(av_buffer_alloc(1));
    auto* letter = reinterpret_cast<std::byte*>(buffer->data);
    *letter = static_cast<std::byte>(behaviour_.name.front());
    Packet packet(std::move(buffer), {letter, 1});
    packet.pts = inside_.front();
    packet.dts = packet.pts - 9'000;  // as if it reordered pictures
    packet.keyframe = std::exchange(first_, false);
    inside_.pop_front();
    return packet;
  }
  void request_keyframe() override {}
  Result<void> set_bitrate(std::int64_t /*bits_per_second*/) override { return {}; }
  Result<void> drain() override {
    if (behaviour_.fails_to_drain) return fail(ErrorKind::Lost, "drain", "the device is gone");
    draining_ = true;
    return {};
  }

 private:
  Behaviour behaviour_;
  SurfaceFormat input_;
  StreamParameters stream_;
  std::deque<std::int64_t> inside_;
  std::uint32_t submitted_ = 0;
  bool first_ = true;
  bool draining_ = false;
};

class Heirs final : public EncoderSuccession {
 public:
  explicit Heirs(std::vector<Behaviour> heirs) : heirs_(heirs.begin(), heirs.end()) {}
  bool possible() const override { return !heirs_.empty(); }
  Result<std::unique_ptr<Encoder>> next(std::string_view failed, const Error& why) override {
    failures.push_back(std::string(failed) + ": " + why.detail);
    if (heirs_.empty()) return fail(ErrorKind::Lost, "encode", "nobody is left");
    auto heir = std::make_unique<FakeEncoder>(heirs_.front());
    heirs_.pop_front();
    return heir;
  }
  std::vector<std::string> failures;

 private:
  std::deque<Behaviour> heirs_;
};

Surface picture(std::uint32_t number) {
  AvFramePtr frame(av_frame_alloc());
  frame->format = AV_PIX_FMT_NV12;
  frame->width = static_cast<int>(kFormat.size.width);
  frame->height = static_cast<int>(kFormat.size.height);
  REQUIRE(av_frame_get_buffer(frame.get(), 0) == 0);
  for (int plane = 0; plane < 2; ++plane) {
    const auto bytes = static_cast<std::size_t>(frame->linesize[plane]) * kFormat.size.height / (plane == 0 ? 1 : 2);
    std::fill_n(frame->data[plane], bytes, std::uint8_t{128});
  }
  Surface surface(std::move(frame), kFormat);
  surface.stream_time = std::chrono::milliseconds(20) * number;
  return surface;
}

struct Outcome {
  std::string letters;  ///< who encoded each picture
  std::vector<Packet> packets;
  std::vector<Error> errors;
  EncodeStage::Counters counters;
};

Outcome run(Behaviour first, EncoderSuccession* heirs, std::uint32_t pictures) {
  Outcome outcome;
  EncodeStage stage(
      std::make_unique<FakeEncoder>(std::move(first)), 4, RingPolicy::Block,
      [&](const Packet& packet) {
        outcome.letters += static_cast<char>(packet.bytes().front());
        outcome.packets.push_back(packet);
      },
      [&](const Error& error) { outcome.errors.push_back(error); }, heirs);
  for (std::uint32_t n = 0; n < pictures; ++n) REQUIRE(stage.push({picture(n), {}, false}, {}));
  stage.finish();
  if (outcome.errors.empty()) CHECK_FALSE(stage.holds_pictures());
  outcome.counters = stage.counters();
  return outcome;
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
  CHECK(outcome.counters.lost == 0);
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
  CHECK(heirs.failures.front().find("took 64 pictures and gave none") != std::string::npos);
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
