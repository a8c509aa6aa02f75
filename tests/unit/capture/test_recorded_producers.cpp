// Negotiation and times against what real producers send (tests/fixtures/producers), by PipeWire's own filter.
#include "capture/buffer_meta.h"
#include "capture/hand_shake.h"
#include "capture/negotiation.h"
#include "capture/producer_clock.h"
#include "support/producer_answers.h"
#include "support/producer_fixture.h"
#include "support/producer_pods.h"

#include <spa/param/param.h>
#include <spa/pod/dynamic.h>
#include <spa/pod/filter.h>
#include <spa/pod/iter.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

std::vector<ProducerFixture> fixtures() {
  std::vector<ProducerFixture> all;
  for (const auto& entry : std::filesystem::directory_iterator(ZEROCAST_PRODUCER_FIXTURES)) {
    if (entry.path().extension() != ".json") continue;
    auto fixture = read_fixture(entry.path());
    if (!fixture) FAIL(fixture.error().message());
    all.push_back(std::move(*fixture));
  }
  REQUIRE(all.size() >= 20);
  return all;
}

/// What both sides can agree on, as PipeWire finds it: `ours` decides among what `theirs` leaves open.
std::optional<Pod> common(const spa_pod* theirs, const spa_pod* ours) {
  spa_pod_dynamic_builder builder{};
  spa_pod_dynamic_builder_init(&builder, nullptr, 0, 4096);
  spa_pod* result = nullptr;
  std::optional<Pod> agreed;
  if (spa_pod_filter(&builder.b, &result, theirs, ours) >= 0) agreed.emplace(*result);
  spa_pod_dynamic_builder_clean(&builder);
  return agreed;
}

/// The first pair that has something in common, its choices made as PipeWire makes them.
std::optional<NegotiatedFormat> negotiate(const std::vector<EnumFormat>& theirs, const FormatOffer& offer,
                                          PodPtr fixation = nullptr) {
  const auto ours = make_format_params(offer, std::move(fixation));
  REQUIRE(ours);
  for (const EnumFormat& format : theirs) {
    const Pod pod = format_pod(format);
    for (const PodPtr& mine : *ours) {
      auto agreed = common(pod.get(), mine.get());
      if (!agreed) continue;
      auto* fixed = const_cast<spa_pod*>(agreed->get());
      spa_pod_object_fixate(reinterpret_cast<spa_pod_object*>(fixed));
      const auto parsed = parse_format(fixed);
      if (!parsed) FAIL(parsed.error().message());
      return *parsed;
    }
  }
  return std::nullopt;
}

FormatOffer offer_all(std::vector<std::uint64_t> modifiers) {
  FormatOffer offer;
  for (const PixelFormatInfo& f : pixel_formats()) {
    if (f.format != PixelFormat::Unknown) offer.formats.push_back({f.format, modifiers});
  }
  return offer;
}

constexpr std::uint64_t kInvalid = 0x00ff'ffff'ffff'ffff;

/// One hand-shake, played by both sides.
struct Outcome {
  std::optional<NegotiatedFormat> agreed;
  unsigned rounds = 0;
  std::string reason;
};
Outcome shake_hands(const ProducerFixture& fixture, const FormatOffer& offer) {
  const ProducerOptions& options = fixture.options;
  const auto all = offered_formats(options, {}, {});
  HandShake shake;
  shake.begin(options.name == "xdg-desktop-portal-wlr");
  shake.set_offer(offer);
  std::vector<EnumFormat> theirs = all;
  PodPtr fixation;
  Outcome outcome;
  for (; outcome.rounds < 100; ++outcome.rounds) {
    auto format = negotiate(theirs, shake.offer(), std::exchange(fixation, nullptr));
    if (!format) break;
    const bool dmabuf = format->dmabuf();
    const auto takes = [&](std::uint64_t modifier) {
      return options.picks.empty() || std::ranges::find(options.picks, modifier) != options.picks.end();
    };
    switch (shake.on_format(*format)) {
      case HandShake::Turn::Settled:
        if (!dmabuf || takes(*format->modifier)) {
          outcome.agreed = format;
          outcome.reason = shake.reason();
          return outcome;
        }
        [[fallthrough]];
      case HandShake::Turn::Theirs: {
        const auto open = format->needs_fixation() ? format->alternatives : std::vector{*format->modifier};
        theirs = fixated(all, choose_modifier(options, open));
        theirs.insert(theirs.end(), all.begin(), all.end());
        break;
      }
      case HandShake::Turn::Ours: fixation = make_fixation(*format, shake.offer()); break;
      case HandShake::Turn::Offer: break;
      case HandShake::Turn::Over: outcome.rounds = 100; break;
    }
  }
  outcome.reason = shake.reason();
  return outcome;
}

}  // namespace

TEST_CASE("whatever modifiers are offered, every recorded producer agrees on something after a few rounds") {
  const std::vector<std::vector<std::uint64_t>> offers = {{}, {0}, {kInvalid}, {0, kInvalid}, {0x0300'0000'0060'6014}};
  for (const ProducerFixture& fixture : fixtures()) {
    const auto& formats = fixture.options.enum_formats;
    const bool memory = std::ranges::any_of(formats, [](const auto& f) { return f.modifiers.empty(); });
    for (const auto& modifiers : offers) {
      CAPTURE(fixture.name, modifiers);
      const Outcome outcome = shake_hands(fixture, offer_all(modifiers));
      CHECK(outcome.rounds <= 2 * (HandShake::kMostRounds + 2));
      if (memory) CHECK(outcome.agreed.has_value());
      if (!outcome.agreed) continue;
      const auto& modifier = outcome.agreed->modifier;
      if (modifier) CHECK(std::ranges::find(modifiers, *modifier) != modifiers.end());
    }
  }
}

TEST_CASE("KWin, which can allocate INVALID only, is recorded by shared memory when LINEAR alone is offered") {
  for (const ProducerFixture& fixture : fixtures()) {
    if (!fixture.name.starts_with("kwin-6.3")) continue;
    CAPTURE(fixture.name);
    const Outcome linear = shake_hands(fixture, offer_all({0}));
    REQUIRE(linear.agreed);
    CHECK_FALSE(linear.agreed->dmabuf());
    CHECK(linear.reason.find("fixates no modifier") != std::string::npos);
    const Outcome both = shake_hands(fixture, offer_all({0, kInvalid}));
    REQUIRE(both.agreed);
    CHECK(both.agreed->modifier == kInvalid);
    CHECK(both.rounds == 1);
    CHECK(both.reason.empty());
  }
}

TEST_CASE("a limited rate is taken by those that draw on damage, and keeps nobody from agreeing") {
  for (const ProducerFixture& fixture : fixtures()) {
    CAPTURE(fixture.name);
    FormatOffer offer = offer_all({0, kInvalid});
    const auto theirs = offered_formats(fixture.options, {}, {});
    const auto free = negotiate(theirs, offer);
    REQUIRE(free);
    for (const Rational limit : {Rational{24, 1}, Rational{60, 1}, Rational{144, 1}}) {
      CAPTURE(limit.num);
      offer.max_rate = limit;
      const auto limited = negotiate(theirs, offer);
      REQUIRE(limited);
      CHECK(limited->format == free->format);
      CHECK(limited->size == free->size);
      CHECK(limited->alternatives == free->alternatives);
      CHECK(limited->dmabuf() == free->dmabuf());
      if (theirs.front().rate) CHECK(limited->rate == free->rate);
      const auto& most = theirs.front().max_rate;
      const bool holds = most && most->range && most->range->first.value() <= limit.value() &&
                         limit.value() <= most->range->second.value();
      if (holds) {
        CHECK(limited->max_rate == limit);
      } else if (most) {
        CHECK(limited->max_rate == free->max_rate);
      }
    }
  }
}

TEST_CASE("every recorded producer has a format in common with us") {
  for (const ProducerFixture& fixture : fixtures()) {
    CAPTURE(fixture.name);
    ProducerOptions options = fixture.options;
    const bool memory = std::ranges::any_of(options.enum_formats, [](const auto& f) { return f.modifiers.empty(); });
    const auto by_memory = negotiate(offered_formats(options, {}, {}), offer_all({}));
    CHECK(by_memory.has_value() == memory);
    if (by_memory) {
      CHECK_FALSE(by_memory->dmabuf());
      CHECK_FALSE(by_memory->size.empty());
      if (!options.enum_formats.front().size.range) CHECK_FALSE(by_memory->needs_fixation());
    }
    if (!fixture.dmabufs) continue;
    const auto by_dmabuf = negotiate(offered_formats(options, {}, {}), offer_all({0, kInvalid}));
    REQUIRE(by_dmabuf);
    CHECK((by_dmabuf->dmabuf() || by_dmabuf->needs_fixation()));
  }
}

TEST_CASE("a modifier that a recorded producer chose is one that we offered and ends the rounds") {
  for (const ProducerFixture& fixture : fixtures()) {
    CAPTURE(fixture.name);
    if (!fixture.dmabufs || fixture.options.fixation != Fixation::Producer) continue;
    const FormatOffer offer = offer_all({0, kInvalid});
    const auto all = offered_formats(fixture.options, {}, {});
    const auto open = negotiate(all, offer);
    REQUIRE(open);
    if (!open->needs_fixation()) continue;
    const std::uint64_t chosen = choose_modifier(fixture.options, open->alternatives);
    CHECK((chosen == 0 || chosen == kInvalid));
    const auto agreed = negotiate(fixated(all, chosen), offer);
    REQUIRE(agreed);
    CHECK(agreed->modifier == chosen);
    CHECK_FALSE(agreed->needs_fixation());
  }
}

TEST_CASE("the buffers and metas of every recorded producer fit ours") {
  for (const ProducerFixture& fixture : fixtures()) {
    CAPTURE(fixture.name);
    for (const bool dmabuf : {false, true}) {
      const auto& recorded = dmabuf ? fixture.options.dmabuf_buffers : fixture.options.memory_buffers;
      if (!recorded) continue;
      NegotiatedFormat format;
      format.format = PixelFormat::BGRx;
      format.size = {640, 360};
      if (dmabuf) format.modifier = 0;
      const Pod theirs = buffers_pod(offered_buffers(fixture.options, dmabuf, 1), 640UL * 360 * 4, 640 * 4, 0);
      CHECK(common(theirs.get(), make_buffers_param(format).get()).has_value());
    }
    const auto ours = make_meta_params();
    const auto metas = offered_metas(fixture.options);
    for (const MetaOffer& meta : metas) {
      const Pod theirs = meta_pod(meta);
      // A producer's own metas have nobody here to read them.
      const bool known = meta.type < 0x10000;
      const bool fits =
          std::ranges::any_of(ours, [&](const PodPtr& m) { return common(theirs.get(), m.get()).has_value(); });
      CAPTURE(meta.type);
      CHECK(fits == known);
    }
  }
}

TEST_CASE("what a recorded producer states is believed, as long as it can be") {
  for (const ProducerFixture& fixture : fixtures()) {
    CAPTURE(fixture.name);
    const bool pointers = fixture.options.cursor_only != CursorOnly::None;
    ProducerClock clock;
    RhythmClock played(fixture.options.rhythm, 16ms, pointers);
    auto due = played.begin(100s);
    Nanoseconds last{};
    for (int i = 0; i < 400; ++i) {
      if (!played.picture()) {
        CHECK(clock.news(due) > last);
        due = played.next(due);
        continue;
      }
      const bool good = fixture.options.pts == PtsMode::Good;
      const auto made = clock.picture(good ? played.pts().count() : 0, due);
      // KWin stamps the first picture after a stillness as old as that (kwin-6.3-still-screen), and two buffers between
      // two presentations alike (kwin-6.3-recorded).
      const bool sound = good && due - played.pts() < 1s;
      if (sound) CHECK(made.pts >= played.pts());
      if (sound) CHECK(made.pts - std::max(played.pts(), last) < 1us);
      if (!good) CHECK(made.pts == due);
      CHECK(made.replaced == !sound);
      last = made.pts;
      due = played.next(due);
    }
  }
}

TEST_CASE("a rhythm is played as it was recorded") {
  SECTION("times and lags in turn") {
    RhythmClock clock({{10ms, 20ms}, {1ms, 5ms}}, 1ms, false);
    CHECK(clock.begin(1s) == 1s + 1ms);
    CHECK(clock.pts() == 1s);
    CHECK(clock.next(1s + 1ms) == 1s + 25ms);  // the stamp is 20 ms after the first one's
    CHECK(clock.pts() == 1s + 20ms);
    CHECK(clock.next(1s + 25ms) == 1s + 31ms);
  }
  SECTION("stamps in the future go out before their time") {
    RhythmClock clock({{10ms}, {-4ms}}, 1ms, false);
    CHECK(clock.begin(1s) == 1s);
    CHECK(clock.pts() == 1s + 4ms);
    CHECK(clock.next(1s) == 1s + 10ms);
  }
  SECTION("buffers with the pointer alone come between and keep the picture's stamp") {
    RhythmClock clock({{40ms}, {}}, 1ms, true);
    CHECK(clock.begin(1s) == 1s);
    CHECK(clock.picture());
    CHECK(clock.next(1s) == 1s + 10ms);
    CHECK_FALSE(clock.picture());
    CHECK(clock.pts() == 1s);
    CHECK(clock.next(1s + 10ms) == 1s + 40ms);
    CHECK(clock.picture());
  }
}
