#include "session/pacer.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <random>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

namespace {

__extension__ using Wide = __int128;  // slot * den * 1e9 overflows 64 bits within hours

struct Done {
  Pacer::Picture picture;
  Nanoseconds time;
};

std::vector<Done> drain(Pacer& pacer) {
  std::vector<Done> done;
  while (const auto action = pacer.next()) done.push_back({action->picture, action->time});
  return done;
}

Pacer variable(Nanoseconds max_gap = 1s) { return Pacer({.constant_rate = {}, .max_gap = max_gap}); }
Pacer constant(unsigned rate) {
  return Pacer({.constant_rate = Rational{rate, 1}, .max_gap = 1s, .frame_interval = 1s / rate});
}

/// A picture, and how long after its time it comes.
struct Arrival {
  Nanoseconds time;
  Nanoseconds late;
};

constexpr Nanoseconds kSecond = 1s;
/// A film's 24 pictures a second.
constexpr Nanoseconds kFilm = 41'666'667ns;

/// Gives the pacer all of it when it comes, and its timer when that is due in between.
std::vector<Done> play(Pacer& pacer, const std::vector<Arrival>& arrivals) {
  std::vector<Done> all;
  const auto take = [&] {
    for (const Done& done : drain(pacer)) all.push_back(done);
  };
  for (const Arrival& one : arrivals) {
    while (pacer.deadline() && *pacer.deadline() < one.time + one.late) {
      pacer.on_timer(*pacer.deadline());
      take();
    }
    pacer.make_way(one.time);
    take();
    pacer.on_frame(one.time, one.late);
    take();
  }
  return all;
}

}  // namespace

TEST_CASE("variable rate: every picture keeps its own time") {
  Pacer pacer = variable();
  for (const Nanoseconds t : {Nanoseconds(0ms), Nanoseconds(16ms), Nanoseconds(21ms), Nanoseconds(500ms)}) {
    CHECK(pacer.on_frame(t));
    const auto done = drain(pacer);
    REQUIRE(done.size() == 1);
    CHECK(done[0].picture == Pacer::Picture::Newest);
    CHECK(done[0].time == t);
  }
}

TEST_CASE("variable rate: times rise even when the producer's do not") {
  Pacer pacer = variable();
  pacer.on_frame(10ms);
  CHECK(drain(pacer)[0].time == 10ms);
  pacer.on_frame(10ms);
  CHECK(drain(pacer)[0].time == 11ms);
  pacer.on_frame(3ms);
  CHECK(drain(pacer)[0].time == 12ms);
}

TEST_CASE("variable rate: a static screen repeats at the minimum rate") {
  Pacer pacer = variable(1s);
  pacer.on_frame(0ms);
  drain(pacer);
  REQUIRE(pacer.deadline());
  pacer.on_timer(*pacer.deadline() - 1ns);
  CHECK(drain(pacer).empty());
  for (int second = 1; second <= 3; ++second) {
    pacer.on_timer(*pacer.deadline());
    const auto done = drain(pacer);
    REQUIRE(done.size() == 1);
    CHECK(done[0].picture == Pacer::Picture::Repeat);
    CHECK(done[0].time == std::chrono::seconds(second));
  }
}

TEST_CASE("variable rate: no minimum rate, no repeats") {
  Pacer pacer = variable(0s);
  pacer.on_frame(0ms);
  drain(pacer);
  CHECK_FALSE(pacer.deadline());
}

TEST_CASE("variable rate: a least rate above the source's own holds") {
  Pacer pacer = variable(40ms);
  pacer.on_frame(0s);
  REQUIRE(pacer.next());
  CHECK(pacer.deadline() == 65ms);
}

TEST_CASE("pictures that come at their rhythm are not repeated, however late they come") {
  const auto late = GENERATE(-50ms, -16ms, 0ms, 20ms, 40ms, 60ms, 119ms, 500ms);
  CAPTURE(late.count());
  const unsigned jitter_ms = GENERATE(0U, 20U);
  std::mt19937 random(11);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same run every time
  const auto delivery = [&] { return late + (jitter_ms == 0 ? 0ms : std::chrono::milliseconds(random() % jitter_ms)); };
  SECTION("variable rate") {
    std::vector<Arrival> arrivals;
    for (int i = 0; i < 240; ++i) arrivals.push_back({i * kFilm, delivery()});
    Pacer pacer = variable(1s);
    const auto done = play(pacer, arrivals);
    REQUIRE(done.size() == arrivals.size());
    for (std::size_t i = 0; i < done.size(); ++i) {
      CHECK(done[i].picture == Pacer::Picture::Newest);
      CHECK(done[i].time == arrivals[i].time);
    }
  }
  SECTION("constant rate") {
    std::vector<Arrival> arrivals;
    for (int i = 0; i < 240; ++i) arrivals.push_back({i * 1'000'000'000ns / 30, delivery()});
    Pacer pacer = constant(30);
    const auto done = play(pacer, arrivals);
    REQUIRE(done.size() == arrivals.size());
    for (const Done& one : done) CHECK(one.picture == Pacer::Picture::Newest);
  }
  SECTION("constant rate, of half of them") {
    std::vector<Arrival> arrivals;
    for (int i = 0; i < 240; ++i) arrivals.push_back({i * 1'000'000'000ns / 60, delivery()});
    Pacer pacer = constant(30);
    const auto done = play(pacer, arrivals);
    CHECK(done.size() >= 119);
    CHECK(done.size() <= 121);
    for (const Done& one : done) CHECK(one.picture == Pacer::Picture::Newest);
  }
}

TEST_CASE("a screen that stands still is repeated at its times, though pictures were late, and forgets the late one") {
  Pacer pacer = variable(1s);
  std::vector<Arrival> arrivals{{0ms, 198ms}};
  for (int i = 1; i < 100; ++i) arrivals.push_back({i * 66ms, 15ms});
  static_cast<void>(play(pacer, arrivals));
  const Nanoseconds last = arrivals.back().time;
  REQUIRE(pacer.deadline());
  CHECK(*pacer.deadline() < last + 1s + 50ms);
  for (int second = 1; second <= 3; ++second) {
    pacer.on_timer(*pacer.deadline());
    const auto done = drain(pacer);
    REQUIRE(done.size() == 1);
    CHECK(done[0].picture == Pacer::Picture::Repeat);
    CHECK(done[0].time == last + std::chrono::seconds(second));
  }
}

TEST_CASE("constant rate: the pointer's news take the slot that no picture comes for, and no other") {
  Pacer pacer = constant(30);
  pacer.on_frame(0ms, 5ms);
  drain(pacer);
  CHECK(pacer.on_pointer(20ms));  // the next slot is nearer
  CHECK(drain(pacer).empty());
  pacer.make_way(33ms);
  CHECK(drain(pacer).empty());
  CHECK_FALSE(pacer.on_frame(33ms, 5ms));  // which takes it, with the pointer
  auto done = drain(pacer);
  REQUIRE(done.size() == 1);
  CHECK(done[0].time == Nanoseconds(1'000'000'000 / 30));
  CHECK(pacer.on_pointer(140ms));
  REQUIRE(pacer.deadline());
  pacer.on_timer(*pacer.deadline());
  done = drain(pacer);
  REQUIRE(done.size() == 3);
  CHECK(done[0].picture == Pacer::Picture::Repeat);
  CHECK(done[2].picture == Pacer::Picture::Newest);
  CHECK(done[2].time == Nanoseconds(4 * 1'000'000'000LL / 30));
}

TEST_CASE("variable rate: the last picture lasts until the end") {
  Pacer pacer = variable();
  pacer.on_frame(0ms);
  drain(pacer);
  pacer.on_end(800ms);
  const auto done = drain(pacer);
  REQUIRE(done.size() == 1);
  CHECK(done[0].picture == Pacer::Picture::Repeat);
  CHECK(done[0].time == 800ms - 16'666'667ns);
  pacer.on_end(800ms);
  CHECK(drain(pacer).empty());
}

TEST_CASE("constant rate: a jittery source at the same rate loses and repeats nothing") {
  Pacer pacer = constant(60);
  std::mt19937 random(7);
  std::uniform_int_distribution<std::int64_t> jitter(-7'000'000, 7'000'000);
  std::size_t pictures = 0;
  std::size_t repeats = 0;
  for (int i = 0; i < 600; ++i) {
    const Nanoseconds t(i * 1'000'000'000LL / 60 + (i == 0 ? 0 : jitter(random)));
    CHECK(pacer.on_frame(t));
    for (const Done& d : drain(pacer)) (d.picture == Pacer::Picture::Newest ? pictures : repeats) += 1;
  }
  CHECK(pictures == 600);
  CHECK(repeats == 0);
}

TEST_CASE("constant rate: 60 becomes 30 by leaving out every second picture") {
  Pacer pacer = constant(30);
  std::vector<Done> all;
  std::size_t thrown_away = 0;
  for (int i = 0; i < 600; ++i) {
    const Nanoseconds t(i * 1'000'000'000LL / 60);
    while (pacer.deadline() && *pacer.deadline() <= t) {
      pacer.on_timer(t);
      for (const Done& d : drain(pacer)) all.push_back(d);
    }
    if (!pacer.on_frame(t)) ++thrown_away;
    for (const Done& d : drain(pacer)) all.push_back(d);
  }
  pacer.on_end(10s);
  for (const Done& d : drain(pacer)) all.push_back(d);
  CHECK(all.size() == 300);
  CHECK(thrown_away >= 298);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].picture == Pacer::Picture::Newest);
    CHECK(all[i].time == Nanoseconds(static_cast<std::int64_t>(i) * 1'000'000'000LL / 30));
  }
}

TEST_CASE("constant rate: a picture that came too early for a static rest is still shown") {
  Pacer pacer = constant(30);
  pacer.on_frame(0ms);
  drain(pacer);
  CHECK(pacer.on_frame(5ms));  // same slot: held
  CHECK(drain(pacer).empty());
  REQUIRE(pacer.deadline());
  pacer.on_timer(*pacer.deadline());
  const auto done = drain(pacer);
  REQUIRE(done.size() == 1);
  CHECK(done[0].picture == Pacer::Picture::Newest);
  CHECK(done[0].time == Nanoseconds(1'000'000'000 / 30));
}

TEST_CASE("constant rate: a picture just before a known end makes no slot behind it") {
  Pacer pacer({.constant_rate = Rational{30, 1}, .end = 1s, .max_gap = 1s, .frame_interval = 1s / 30});
  std::size_t pictures = 0;
  for (Nanoseconds t{}; t < 1s; t += 15'999'999ns) {
    pacer.on_frame(t);
    pictures += drain(pacer).size();
  }
  pacer.on_end(1s);
  pictures += drain(pacer).size();
  CHECK(pictures == 30);
}

TEST_CASE("constant rate: holes are filled at once and to the end") {
  Pacer pacer = constant(30);
  pacer.on_frame(0ms);
  drain(pacer);
  pacer.on_frame(500ms);  // slot 15
  auto done = drain(pacer);
  REQUIRE(done.size() == 15);
  for (std::size_t i = 0; i + 1 < done.size(); ++i) CHECK(done[i].picture == Pacer::Picture::Repeat);
  CHECK(done.back().picture == Pacer::Picture::Newest);
  pacer.on_end(1s);
  done = drain(pacer);
  CHECK(done.size() == 14);
  CHECK(done.back().time == Nanoseconds(29 * 1'000'000'000LL / 30));
}

TEST_CASE("constant rate: the end shows a held picture and fills behind it") {
  Pacer pacer = constant(10);
  pacer.on_frame(0ms);
  drain(pacer);
  pacer.on_frame(20ms);
  pacer.on_end(500ms);
  const auto done = drain(pacer);
  REQUIRE(done.size() == 4);
  CHECK(done[0].picture == Pacer::Picture::Newest);
  CHECK(done[3].picture == Pacer::Picture::Repeat);
  CHECK(done[3].time == 400ms);
}

TEST_CASE("constant rate: a static screen is repeated once per slot by the timer") {
  Pacer pacer = constant(30);
  pacer.on_frame(0ms);
  drain(pacer);
  std::size_t repeats = 0;
  for (int i = 0; i < 29; ++i) {
    pacer.on_timer(*pacer.deadline());
    repeats += drain(pacer).size();
  }
  CHECK(repeats == 29);
  // A late timer (the worker was held up) makes up for every slot it missed.
  pacer.on_timer(*pacer.deadline() + 10 * 33'333'334ns);
  CHECK(drain(pacer).size() == 11);
}

TEST_CASE("constant rate: a hole longer than ten seconds is skipped") {
  Pacer pacer = constant(60);
  pacer.on_frame(0ms);
  drain(pacer);
  pacer.on_frame(1h);
  const auto done = drain(pacer);
  REQUIRE(done.size() == 1);
  CHECK(done[0].picture == Pacer::Picture::Newest);
  CHECK(done[0].time == 1h);
}

TEST_CASE("constant rate: 30000/1001 stays exact after a day") {
  Pacer pacer({.constant_rate = Rational{30000, 1001}, .max_gap = 1s});
  pacer.on_frame(0ms);
  drain(pacer);
  const std::int64_t slot = 2'589'410;  // about 24 h
  const auto exact = static_cast<std::int64_t>(static_cast<Wide>(slot) * 1001 * 1'000'000'000 / 30000);
  pacer.on_frame(Nanoseconds(exact + 1'000'000));
  CHECK(drain(pacer).back().time == Nanoseconds(exact));
}

TEST_CASE("constant rate: another rate begins at the next slot and leaves no gap") {
  Pacer pacer = constant(10);
  std::vector<Nanoseconds> times;
  const auto note = [&] {
    for (const Done& done : drain(pacer)) times.push_back(done.time);
  };
  pacer.on_frame(0ms);
  note();
  pacer.on_frame(100ms);
  note();
  pacer.set_rate({20, 1});
  pacer.on_frame(210ms);  // the first slot of the new rate began at 150 ms
  note();
  pacer.on_frame(240ms);
  note();
  pacer.set_rate({5, 1});
  pacer.on_frame(260ms);  // nearest to the slot at 300 ms
  note();
  REQUIRE(pacer.deadline());
  pacer.on_timer(*pacer.deadline());
  note();
  pacer.on_frame(900ms);
  note();
  CHECK(times == std::vector<Nanoseconds>{0ms, 100ms, 150ms, 200ms, 250ms, 300ms, 500ms, 700ms, 900ms});
}

TEST_CASE("constant rate: changes at random keep every slot in order and fill it once") {
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same run every time
  Pacer pacer = constant(30);
  Nanoseconds now{};
  Nanoseconds last = -1ms;
  std::size_t pictures = 0;
  for (int step = 0; step < 3000; ++step) {
    now += std::chrono::milliseconds(random() % 40);
    if (random() % 50 == 0)
      pacer.set_rate({static_cast<std::uint32_t>(1 + random() % 120), 1 + static_cast<std::uint32_t>(random() % 3)});
    if (random() % 3 == 0) {
      pacer.on_timer(now);
    } else {
      pacer.on_frame(now);
    }
    for (const Done& done : drain(pacer)) {
      CHECK(done.time > last);
      last = done.time;
      ++pictures;
    }
  }
  CHECK(pictures > 1000);
  CHECK(last <= now + 3s);
}

TEST_CASE("variable rate: there is no rate to change") {
  Pacer pacer = variable();
  pacer.on_frame(0ms);
  drain(pacer);
  pacer.set_rate({5, 1});
  pacer.on_frame(33ms);
  CHECK(drain(pacer)[0].time == 33ms);
}

TEST_CASE("variable rate: the least rate may change while a picture stands still") {
  Pacer pacer = variable(1s);
  pacer.on_frame(0s);
  REQUIRE(pacer.next());
  REQUIRE(pacer.deadline() == 1025ms);
  pacer.set_max_gap(100ms);
  REQUIRE(pacer.deadline() == 125ms);
  pacer.on_timer(130ms);
  const auto repeat = pacer.next();
  REQUIRE(repeat);
  CHECK(repeat->picture == Pacer::Picture::Repeat);
  CHECK(repeat->time == 100ms);
  pacer.set_max_gap({});
  CHECK_FALSE(pacer.deadline());
  pacer.set_max_gap(2s);
  CHECK(pacer.deadline() == 2125ms);
  Pacer fixed = constant(10);
  fixed.set_max_gap(1h);
  fixed.on_frame(0s);
  REQUIRE(fixed.next());
  CHECK(fixed.deadline() < 1s);
}

TEST_CASE("constant rate: a held picture goes out at once when it is asked for") {
  Pacer pacer = constant(10);
  pacer.on_frame(0ms);
  drain(pacer);
  pacer.flush();
  CHECK(drain(pacer).empty());
  pacer.on_frame(20ms);
  CHECK(drain(pacer).empty());
  pacer.flush();
  const auto done = drain(pacer);
  REQUIRE(done.size() == 1);
  CHECK(done[0].picture == Pacer::Picture::Newest);
  CHECK(done[0].time == 100ms);
  pacer.on_frame(120ms);  // that slot is taken
  CHECK(drain(pacer).empty());
}

TEST_CASE("constant rate: a picture beyond the stream's end stays held") {
  Pacer pacer({.constant_rate = Rational{10, 1}, .end = 100ms});
  pacer.on_frame(0ms);
  drain(pacer);
  pacer.on_frame(20ms);
  pacer.flush();
  CHECK(drain(pacer).empty());
}

TEST_CASE("a stream goes on after an end that was none") {
  Pacer slots = constant(10);
  slots.on_frame(0ms);
  drain(slots);
  slots.on_end(350ms);
  CHECK(drain(slots).back().time == 300ms);
  slots.on_frame(410ms);
  CHECK(drain(slots).back().time == 400ms);
  Pacer free = variable();
  free.on_frame(0ms);
  drain(free);
  free.on_end(500ms);
  const Nanoseconds last = drain(free).back().time;
  CHECK(last < 500ms);
  free.on_frame(500ms);
  CHECK(drain(free).back().time == 500ms);
}

TEST_CASE("a source that gives more than is allowed is thinned, but its last picture comes") {
  const unsigned source = GENERATE(60U, 144U, 240U);
  const unsigned most = GENERATE(25U, 30U, 50U);
  CAPTURE(source, most);
  Pacer pacer({.constant_rate = {}, .min_interval = kSecond / most, .max_gap = 1s, .frame_interval = kSecond / source});
  std::vector<Done> done;
  std::size_t thinned = 0;
  for (unsigned i = 0; i <= 2 * source; ++i) {
    const Nanoseconds time = i * 1'000'000'000ns / source;
    if (!pacer.on_frame(time)) ++thinned;
    for (const Done& one : drain(pacer)) done.push_back(one);
  }
  CHECK(done.size() <= 2 * most + 2);
  CHECK(done.size() >= most);
  CHECK(thinned > 0);
  for (std::size_t i = 1; i < done.size(); ++i) CHECK(done[i].time - done[i - 1].time >= kSecond / most * 3 / 4 - 1us);
  const bool missing = done.back().time < 2s;
  if (missing) {
    const auto due = pacer.deadline();
    REQUIRE(due);
    CHECK(*due <= 2s + kSecond / most + pacer.patience());
    pacer.on_timer(*due);
    const auto last = drain(pacer);
    REQUIRE(last.size() == 1);
    CHECK(last.front().picture == Pacer::Picture::Newest);
    CHECK(last.front().time == 2s);
  }
  CHECK(pacer.deadline() == 3s + pacer.patience());
}

TEST_CASE("a source of just the rate that is allowed loses nothing to its jitter") {
  Pacer pacer({.constant_rate = {}, .min_interval = kSecond / 60, .max_gap = 1s, .frame_interval = kSecond / 60});
  std::minstd_rand random(3);
  for (unsigned i = 0; i < 600; ++i) {
    const auto jitter = std::chrono::microseconds(random() % 3000);
    CHECK(pacer.on_frame(i * 1'000'000'000ns / 60 + jitter));
    CHECK(drain(pacer).size() == 1);
  }
}

TEST_CASE("what is held back at the end of a thinned stream is its last picture, and lasts until the end") {
  Pacer pacer({.constant_rate = {}, .min_interval = 100ms, .max_gap = 1s, .frame_interval = 10ms});
  pacer.on_frame(0ns);
  CHECK(drain(pacer).size() == 1);
  pacer.on_frame(20ms);
  CHECK(drain(pacer).empty());
  pacer.on_end(500ms);
  const auto last = drain(pacer);
  REQUIRE(last.size() == 2);
  CHECK(last[0].picture == Pacer::Picture::Newest);
  CHECK(last[0].time == 20ms);
  CHECK(last[1].picture == Pacer::Picture::Repeat);
  CHECK(last[1].time == 490ms);
}

TEST_CASE("without a least interval a picture of before the pointer's news is not held back") {
  Pacer pacer = variable();
  pacer.on_frame(0ns);
  CHECK(drain(pacer).size() == 1);
  pacer.on_pointer(40ms);
  CHECK(drain(pacer).size() == 1);
  CHECK(pacer.on_frame(33ms));
  const auto done = drain(pacer);
  REQUIRE(done.size() == 1);
  CHECK(done.front().picture == Pacer::Picture::Newest);
}
