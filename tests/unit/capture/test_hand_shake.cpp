#include "capture/hand_shake.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <string>
#include <vector>

using namespace zc;
using Turn = HandShake::Turn;

namespace {

constexpr std::uint64_t kLinear = kModifierLinear;
constexpr std::uint64_t kTiled = 0x0300'0000'0000'0001;

FormatOffer offer(std::vector<std::uint64_t> modifiers = {kTiled, kLinear}) {
  FormatOffer offer;
  offer.formats = {{PixelFormat::BGRx, modifiers}, {PixelFormat::RGBA, modifiers}, {PixelFormat::BGRA, modifiers}};
  return offer;
}

NegotiatedFormat open_format(std::vector<std::uint64_t> modifiers, PixelFormat format = PixelFormat::BGRx,
                             Size size = {640, 360}) {
  NegotiatedFormat f;
  f.format = format;
  f.size = size;
  f.modifier = modifiers.front();
  f.alternatives = std::move(modifiers);
  return f;
}

NegotiatedFormat settled(std::uint64_t modifier, PixelFormat format = PixelFormat::BGRx) {
  NegotiatedFormat f = open_format({modifier}, format);
  f.alternatives.clear();
  return f;
}

HandShake begun(FormatOffer wanted = offer(), bool we_choose = false) {
  HandShake shake;
  shake.begin(we_choose);
  shake.set_offer(std::move(wanted));
  return shake;
}

}  // namespace

TEST_CASE("an open format is the producer's turn, one that is fixated is settled") {
  HandShake shake = begun();
  CHECK(shake.on_format(open_format({kTiled, kLinear})) == Turn::Theirs);
  CHECK(shake.on_format(settled(kTiled)) == Turn::Settled);
  CHECK(shake.reason().empty());
  CHECK(shake.offer() == offer());
  HandShake chooser = begun(offer(), true);
  CHECK(chooser.on_format(open_format({kTiled, kLinear})) == Turn::Ours);
  CHECK(chooser.on_format(settled(kTiled)) == Turn::Settled);
}

TEST_CASE("a producer whose buffers never have memory is not asked for new streams without end") {
  HandShake shake = begun();
  for (int round = 0; round < 2; ++round) {
    int asked = 0;
    while (shake.on_empty_buffer() && asked < 100) ++asked;
    CHECK(asked == 8);
    CHECK_FALSE(shake.on_empty_buffer());
    shake.on_picture();
  }
}

TEST_CASE("an open format is answered once until something else is known") {
  HandShake chooser = begun(offer(), true);
  const NegotiatedFormat open = open_format({kTiled, kLinear});
  CHECK(chooser.on_format(open) == Turn::Ours);
  CHECK(chooser.on_format(open) == Turn::Theirs);
  CHECK(chooser.on_format(open) == Turn::Theirs);
  SECTION("it has fewer modifiers") { CHECK(chooser.on_format(open_format({kLinear})) == Turn::Ours); }
  SECTION("it has another size") {
    CHECK(chooser.on_format(open_format({kTiled, kLinear}, PixelFormat::BGRx, {800, 600})) == Turn::Ours);
  }
  SECTION("it was settled in between") {
    CHECK(chooser.on_format(settled(kTiled)) == Turn::Settled);
    CHECK(chooser.on_format(open) == Turn::Ours);
  }
  SECTION("the offer is made anew") {
    chooser.set_offer(offer());
    CHECK(chooser.on_format(open) == Turn::Ours);
  }
}

TEST_CASE("open formats that were under way when ours was answered are no rounds, but not without end") {
  HandShake chooser = begun(offer(), true);
  const NegotiatedFormat open = open_format({kTiled, kLinear});
  REQUIRE(chooser.on_format(open) == Turn::Ours);
  unsigned under_way = 0;
  while (under_way < 2 * HandShake::kMostUnderWay && chooser.on_format(open) == Turn::Theirs) ++under_way;
  CHECK(under_way == HandShake::kMostUnderWay);
  CHECK_FALSE(chooser.offer().has(PixelFormat::BGRx, kTiled));
  CHECK(chooser.reason().find("BGRx") != std::string::npos);

  chooser.begin(true);
  chooser.set_offer(offer());
  REQUIRE(chooser.on_format(open) == Turn::Ours);
  for (unsigned i = 0; i < 3 * HandShake::kMostFormats; ++i) REQUIRE(chooser.on_format(open) == Turn::Theirs);
  CHECK(chooser.on_format(settled(kTiled)) == Turn::Settled);
}

TEST_CASE("a producer that fixates nothing is offered less and less, at last no dmabufs") {
  HandShake shake = begun(offer({kLinear}));
  std::size_t rounds = 0;
  const auto answer = [&](PixelFormat format) {
    Turn turn = Turn::Theirs;
    while (turn == Turn::Theirs && rounds < 100) {
      turn = shake.on_format(open_format({kLinear}, format));
      ++rounds;
    }
    return turn;
  };
  CHECK(answer(PixelFormat::BGRx) == Turn::Offer);
  CHECK_FALSE(shake.offer().has(PixelFormat::BGRx, kLinear));
  CHECK(shake.offer().has(PixelFormat::RGBA, kLinear));
  CHECK(shake.reason().find("BGRx") != std::string::npos);
  CHECK(shake.reason().find("0x0") != std::string::npos);
  // It has more formats than anybody wants to wait for.
  CHECK(answer(PixelFormat::RGBA) == Turn::Offer);
  CHECK_FALSE(shake.offer().has_dmabufs());
  CHECK_FALSE(shake.offer().nothing());
  CHECK(rounds == 2 * (HandShake::kMostRounds + 1));

  SECTION("which the next offer does not change") {
    shake.set_offer(offer({kTiled, kLinear}));
    CHECK_FALSE(shake.offer().has_dmabufs());
  }
  SECTION("but another producer does") {
    shake.begin(false);
    shake.set_offer(offer({kLinear}));
    CHECK(shake.offer().has_dmabufs());
    CHECK(shake.reason().empty());
  }
}

TEST_CASE("only the modifiers that were open are left out") {
  HandShake shake = begun();
  for (unsigned i = 0; i < HandShake::kMostRounds; ++i) {
    CHECK(shake.on_format(open_format({kLinear})) == Turn::Theirs);
  }
  CHECK(shake.on_format(open_format({kLinear})) == Turn::Offer);
  CHECK_FALSE(shake.offer().has(PixelFormat::BGRx, kLinear));
  CHECK(shake.offer().has(PixelFormat::BGRx, kTiled));
}

TEST_CASE("without shared memory it ends with the reason") {
  FormatOffer strict = offer({kLinear});
  strict.formats.resize(1);
  strict.shared_memory = false;
  HandShake shake = begun(strict);
  Turn turn = Turn::Theirs;
  for (unsigned i = 0; i <= HandShake::kMostRounds; ++i) turn = shake.on_format(open_format({kLinear}));
  CHECK(turn == Turn::Over);
  CHECK(shake.reason().find("fixates no modifier") != std::string::npos);
}

TEST_CASE("a window that is resized without end is not a producer without an answer") {
  HandShake shake = begun();
  for (std::uint32_t i = 0; i < 200; ++i) {
    CHECK(shake.on_format(open_format({kTiled, kLinear}, PixelFormat::BGRx, {640 + i, 360})) == Turn::Theirs);
    if (i % 7 == 0) CHECK(shake.on_format(settled(kTiled)) == Turn::Settled);
  }
  CHECK(shake.offer() == offer());
}

TEST_CASE("a modifier that is settled on and taken back again and again is left out") {
  HandShake shake = begun(offer({kLinear}));
  Turn turn = Turn::Settled;
  unsigned formats = 0;
  for (; turn == Turn::Settled && formats < 100; ++formats) turn = shake.on_format(settled(kLinear));
  CHECK(turn == Turn::Offer);
  CHECK(formats == HandShake::kMostFormats + 1);
  CHECK_FALSE(shake.offer().has(PixelFormat::BGRx, kLinear));
  SECTION("unless pictures come") {
    shake = begun(offer({kLinear}));
    for (int i = 0; i < 100; ++i) {
      CHECK(shake.on_format(open_format({kLinear})) == Turn::Theirs);
      CHECK(shake.on_format(settled(kLinear)) == Turn::Settled);
      shake.on_picture();
    }
  }
}

TEST_CASE("an agreement on what is not offered any more was under way, and is followed by the next") {
  HandShake shake = begun();
  shake.set_offer(offer({kLinear}));
  CHECK(shake.on_format(settled(kTiled)) == Turn::Settled);
  CHECK(shake.offer() == offer({kLinear}));
}

TEST_CASE("a modifier that was never offered is no agreement") {
  HandShake shake = begun(offer({kLinear}));
  CHECK(shake.on_format(settled(kTiled)) == Turn::Offer);
  CHECK_FALSE(shake.offer().has(PixelFormat::BGRx, kLinear));
  CHECK(shake.reason().find("not offered") != std::string::npos);
  CHECK(shake.on_format(settled(kTiled, PixelFormat::RGBA)) == Turn::Offer);
  CHECK_FALSE(shake.offer().has_dmabufs());
  CHECK(begun(offer({kModifierInvalid})).on_format(settled(kModifierInvalid)) == Turn::Settled);
}

TEST_CASE("a second format without a picture in between is a round") {
  HandShake shake = begun();
  REQUIRE(shake.on_format(settled(kTiled)) == Turn::Settled);
  CHECK_FALSE(shake.went_round());
  shake.on_picture();
  REQUIRE(shake.on_format(open_format({kTiled, kLinear})) == Turn::Theirs);
  CHECK_FALSE(shake.went_round());
  REQUIRE(shake.on_format(settled(kTiled)) == Turn::Settled);
  CHECK(shake.went_round());
  shake.on_picture();
  REQUIRE(shake.on_format(settled(kTiled)) == Turn::Settled);
  CHECK_FALSE(shake.went_round());
}

TEST_CASE("a stream that breaks over its buffers is begun anew in other ways, each once") {
  HandShake shake = begun();
  SECTION("nobody has chosen: we do, then there are no dmabufs") {
    CHECK(shake.on_format(open_format({kTiled, kLinear})) == Turn::Theirs);
    REQUIRE(shake.on_error("Buffer allocation failed", true));
    CHECK(shake.on_format(open_format({kTiled, kLinear})) == Turn::Ours);
    REQUIRE(shake.on_error("Buffer allocation failed", true));
    CHECK_FALSE(shake.offer().has_dmabufs());
  }
  SECTION("it has no buffers with timelines: without them, then without dmabufs") {
    shake.allow_timelines();
    CHECK(shake.timelines());
    CHECK(shake.on_format(settled(kTiled)) == Turn::Settled);
    REQUIRE(shake.on_error("Buffer allocation failed", true));
    CHECK_FALSE(shake.timelines());
    CHECK(shake.offer().has_dmabufs());
    CHECK(shake.reason().find("explicit synchronisation") != std::string::npos);
    // Also when that could be had again: after a resize, after a sleep.
    shake.allow_timelines();
    CHECK_FALSE(shake.timelines());
    CHECK(shake.on_format(settled(kTiled)) == Turn::Settled);
    REQUIRE(shake.on_error("Buffer allocation failed", true));
    CHECK_FALSE(shake.offer().has_dmabufs());
  }
  SECTION("it breaks in shared memory, for another reason, or after pictures have come: that is the end") {
    NegotiatedFormat memory = settled(kLinear);
    memory.modifier.reset();
    CHECK(shake.on_format(memory) == Turn::Settled);
    CHECK_FALSE(shake.on_error("Buffer allocation failed", true));
    CHECK(shake.on_format(settled(kTiled)) == Turn::Settled);
    CHECK_FALSE(shake.on_error("no target node", false));
    shake.on_picture();
    CHECK_FALSE(shake.on_error("something", true));
    CHECK(shake.on_format(settled(kTiled)) == Turn::Settled);
    CHECK(shake.on_error("something", true));
  }
}
