#include "capture/reconnecting_source.h"

#include "base/clock.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

namespace {

/// What all sources of a test did, in one place.
struct World {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<FormatOffer> offers;
  unsigned made = 0;
  unsigned running = 0;
  unsigned resting = 0;
  unsigned woken = 0;
  bool shows_at_wake = false;  ///< one frame, as most screens do
  bool steady = false;
  unsigned failures = 0;  ///< of the next start() and wake() calls
  ErrorKind failure = ErrorKind::NotFound;
  SourceListener* listener = nullptr;  ///< of the newest

  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 120s, condition);
  }
};

class FakeSource final : public Source {
 public:
  explicit FakeSource(World& world) : world_(world) {}
  FakeSource(const FakeSource&) = delete;
  FakeSource& operator=(const FakeSource&) = delete;
  ~FakeSource() override { stop(); }
  Result<void> start(const FormatOffer& offer, SourceListener& listener) override {
    const std::lock_guard lock(world_.mutex);
    world_.offers.push_back(offer);
    if (world_.failures > 0) {
      --world_.failures;
      world_.changed.notify_all();
      return fail(world_.failure, "start", "not now");
    }
    running_ = true;
    ++world_.running;
    world_.listener = &listener;
    world_.changed.notify_all();
    return {};
  }
  Result<void> renegotiate(const FormatOffer& offer) override {
    const std::lock_guard lock(world_.mutex);
    world_.offers.push_back(offer);
    return {};
  }
  void rest() override {
    const std::lock_guard lock(world_.mutex);
    if (!std::exchange(resting_, true)) ++world_.resting;
    world_.changed.notify_all();
  }
  Result<void> wake(const FormatOffer& offer) override {
    const std::lock_guard lock(world_.mutex);
    world_.offers.push_back(offer);
    if (std::exchange(resting_, false)) --world_.resting;
    ++world_.woken;
    world_.changed.notify_all();
    if (world_.shows_at_wake) world_.listener->on_frame(Frame{});
    if (world_.failures == 0) return {};
    --world_.failures;
    return fail(world_.failure, "wake", "not now");
  }
  void stop() override {
    const std::lock_guard lock(world_.mutex);
    if (running_) --world_.running;
    running_ = false;
    if (std::exchange(resting_, false)) --world_.resting;
  }
  SourceInfo info() const override {
    return {.kind = "fake", .description = "a source", .size = {}, .rate = {}, .steady = world_.steady};
  }
  SourceStats stats() const override { return {.delivered = 10}; }

 private:
  World& world_;
  bool running_ = false;
  bool resting_ = false;
};

struct Listener final : SourceListener {
  void on_frame(Frame /*frame*/) override { ++frames; }
  void on_state(SourceState state, const Error* error) override {
    const std::lock_guard lock(mutex);
    if (state == SourceState::Ended) ended = error == nullptr ? Error{} : *error;
    changed.notify_all();
  }
  std::atomic<int> frames{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Error> ended;
};

struct Changes {
  std::atomic<int> lost{0};
  std::atomic<int> back{0};
};

std::unique_ptr<Source> reconnecting(World& world, Changes& changes, Nanoseconds silence = {}) {
  return make_reconnecting_source({.make = [&](const std::stop_token&) -> Result<std::unique_ptr<Source>> {
                                     const std::lock_guard lock(world.mutex);
                                     ++world.made;
                                     return std::make_unique<FakeSource>(world);
                                   },
                                   .changed =
                                       [&](const Error* lost) {
                                         ++(lost != nullptr ? changes.lost : changes.back);
                                         const std::lock_guard lock(world.mutex);
                                         world.changed.notify_all();
                                       },
                                   .stop = {},
                                   .silence = silence,
                                   .proof = 50ms});
}

void lose(World& world, ErrorKind kind) {
  const Error error{.kind = kind, .operation = "capture", .detail = "gone"};
  SourceListener* listener = nullptr;
  {
    const std::lock_guard lock(world.mutex);
    listener = world.listener;
  }
  listener->on_state(SourceState::Ended, &error);
}

}  // namespace

TEST_CASE("a source that is lost is looked for until it is back, and frames go on") {
  World world;
  Changes changes;
  Listener listener;
  const auto source = reconnecting(world, changes);
  REQUIRE(source->start({}, listener));
  world.listener->on_frame(Frame{});
  {
    const std::lock_guard lock(world.mutex);
    world.failures = 2;
  }
  lose(world, ErrorKind::Lost);
  REQUIRE(world.wait([&] { return changes.back == 1; }));
  CHECK(changes.lost == 1);
  CHECK(world.made == 4);  // the first, two that failed, the one that is back
  CHECK(world.running == 1);
  world.listener->on_frame(Frame{});
  CHECK(listener.frames == 2);
  CHECK_FALSE(listener.ended);
  CHECK(source->stats().delivered == 40);
  source->stop();
  CHECK(world.running == 0);
}

TEST_CASE("a permission that was taken back, and an end of its own, end the source") {
  for (const ErrorKind kind : {ErrorKind::Denied, ErrorKind::Cancelled}) {
    World world;
    Changes changes;
    Listener listener;
    const auto source = reconnecting(world, changes);
    REQUIRE(source->start({}, listener));
    lose(world, kind);
    REQUIRE(listener.ended);
    CHECK(listener.ended->kind == kind);
    CHECK(world.made == 1);
  }
}

TEST_CASE("a source that may not come back is not looked for any longer") {
  World world;
  Changes changes;
  Listener listener;
  const auto source = reconnecting(world, changes);
  REQUIRE(source->start({}, listener));
  {
    const std::lock_guard lock(world.mutex);
    world.failures = 100;
    world.failure = ErrorKind::Denied;
  }
  lose(world, ErrorKind::Lost);
  std::unique_lock lock(listener.mutex);
  REQUIRE(listener.changed.wait_for(lock, 120s, [&] { return listener.ended.has_value(); }));
  CHECK(listener.ended->kind == ErrorKind::Denied);
}

TEST_CASE("what is wrong at the first start is told, and a stop ends the search at once") {
  World world;
  Changes changes;
  Listener listener;
  world.failures = 1;
  CHECK(reconnecting(world, changes)->start({}, listener).error().kind == ErrorKind::NotFound);

  const auto source = reconnecting(world, changes);
  REQUIRE(source->start({}, listener));
  {
    const std::lock_guard lock(world.mutex);
    world.failures = 1'000'000;
  }
  lose(world, ErrorKind::Lost);
  REQUIRE(world.wait([&] { return world.made >= 4; }));
  source->stop();
  CHECK_FALSE(listener.ended);
}

TEST_CASE("the next source is offered what the last one was asked for") {
  World world;
  Changes changes;
  Listener listener;
  const auto source = reconnecting(world, changes);
  REQUIRE(source->start({}, listener));
  FormatOffer other;
  other.formats.push_back({.format = PixelFormat::BGRx, .modifiers = {}});
  REQUIRE(source->renegotiate(other));
  lose(world, ErrorKind::Lost);
  REQUIRE(world.wait([&] { return changes.back == 1; }));
  REQUIRE(world.offers.size() == 3);
  CHECK(world.offers.back().formats.size() == 1);
}

namespace {

FormatOffer offer_of(PixelFormat format) {
  FormatOffer offer;
  offer.formats.push_back({.format = format, .modifiers = {}});
  return offer;
}

}  // namespace

TEST_CASE("a source that rests is the same when it wakes, with what it is offered then") {
  World world;
  Changes changes;
  Listener listener;
  const auto source = reconnecting(world, changes);
  REQUIRE(source->start({}, listener));
  source->rest();
  CHECK(world.resting == 1);
  source->rest();
  CHECK(world.resting == 1);
  REQUIRE(source->wake(offer_of(PixelFormat::BGRx)));
  REQUIRE(world.wait([&] { return world.woken == 1; }));
  CHECK(world.resting == 0);
  CHECK(world.made == 1);
  CHECK(world.offers.back().formats.size() == 1);
  world.listener->on_frame(Frame{});
  CHECK(listener.frames == 1);
  CHECK(changes.lost == 0);
}

TEST_CASE("a source that is lost while it rests is looked for when it wakes, not before") {
  World world;
  Changes changes;
  Listener listener;
  const auto source = reconnecting(world, changes);
  REQUIRE(source->start({}, listener));
  source->rest();
  lose(world, ErrorKind::Lost);
  std::this_thread::sleep_for(300ms);  // longer than it would wait before it looked
  CHECK(world.made == 1);
  CHECK(changes.lost == 0);
  REQUIRE(source->wake(offer_of(PixelFormat::BGRx)));
  REQUIRE(world.wait([&] { return changes.back == 1; }));
  CHECK(world.made == 2);
  CHECK(world.resting == 0);
  CHECK(world.offers.back().formats.size() == 1);
}

TEST_CASE("a source that does not wake up is looked for; one whose permission is gone ends") {
  const bool denied = GENERATE(false, true);
  World world;
  Changes changes;
  Listener listener;
  const auto source = reconnecting(world, changes);
  REQUIRE(source->start({}, listener));
  source->rest();
  {
    const std::lock_guard lock(world.mutex);
    world.failures = 1;
    world.failure = denied ? ErrorKind::Denied : ErrorKind::Timeout;
  }
  REQUIRE(source->wake({}));
  if (denied) {
    std::unique_lock lock(listener.mutex);
    REQUIRE(listener.changed.wait_for(lock, 120s, [&] { return listener.ended.has_value(); }));
    CHECK(listener.ended->kind == ErrorKind::Denied);
  } else {
    REQUIRE(world.wait([&] { return changes.back == 1; }));
    CHECK(changes.lost == 1);
    CHECK(world.made == 2);
  }
}

TEST_CASE("a source that is found while the machine sleeps rests at once") {
  World world;
  Changes changes;
  Listener listener;
  const auto source = reconnecting(world, changes);
  REQUIRE(source->start({}, listener));
  {
    const std::lock_guard lock(world.mutex);
    world.failures = 1'000'000;
    world.failure = ErrorKind::NotFound;
  }
  lose(world, ErrorKind::Lost);
  REQUIRE(world.wait([&] { return world.made >= 3; }));
  source->rest();
  // It may be in the midst of an attempt; after that there is none.
  std::this_thread::sleep_for(50ms);
  const unsigned made = [&] {
    const std::lock_guard lock(world.mutex);
    world.failures = 0;
    return world.made;
  }();
  REQUIRE(source->wake({}));
  REQUIRE(world.wait([&] { return changes.back == 1; }));
  CHECK(world.made >= made);
  CHECK(world.resting == 0);
  source->rest();
  CHECK(world.resting == 1);
  source->stop();
}

TEST_CASE("a silent source that shows its picture when asked stands still, and is asked less and less often") {
  World world;
  Changes changes;
  Listener listener;
  world.shows_at_wake = true;
  const auto source = reconnecting(world, changes, 100ms);
  const auto begun = std::chrono::steady_clock::now();
  REQUIRE(source->start({}, listener));
  world.listener->on_state(SourceState::Streaming, nullptr);
  REQUIRE(world.wait([&] { return world.woken >= 3; }));
  CHECK(std::chrono::steady_clock::now() - begun >= 700ms);  // 100 + 200 + 400
  CHECK(world.made == 1);
  CHECK(world.resting == 0);
  CHECK(changes.lost == 0);
  source->stop();
  CHECK(static_cast<unsigned>(listener.frames) == world.woken);  // three, or more where this thread was late
  CHECK(world.running == 0);
}

TEST_CASE("a silent source that shows nothing when asked is lost if it must, and opened anew") {
  World world;
  Changes changes;
  Listener listener;
  world.steady = GENERATE(true, false);
  world.shows_at_wake = !world.steady;  // twice
  const auto source = reconnecting(world, changes, 100ms);
  REQUIRE(source->start({}, listener));
  world.listener->on_state(SourceState::Streaming, nullptr);
  if (!world.steady) {
    REQUIRE(world.wait([&] { return world.woken >= 2; }));
    const std::lock_guard lock(world.mutex);
    world.shows_at_wake = false;
  }
  REQUIRE(world.wait([&] { return changes.back == 1; }));
  CHECK(changes.lost == 1);
  CHECK(world.made == 2);
  CHECK_FALSE(listener.ended);
}

TEST_CASE("a silent source that may wait for a change is only asked") {
  World world;
  Changes changes;
  Listener listener;
  const auto source = reconnecting(world, changes, 100ms);
  REQUIRE(source->start({}, listener));
  world.listener->on_state(SourceState::Streaming, nullptr);
  REQUIRE(world.wait([&] { return world.woken >= 3; }));
  CHECK(world.made == 1);
  CHECK(changes.lost == 0);
}

TEST_CASE("nobody asks a source that speaks, one that pauses, one that rests, or when it is not wanted") {
  World world;
  Changes changes;
  Listener listener;
  const auto which = GENERATE(as<std::string>(), "speaks", "pauses", "rests", "not wanted");
  const auto source = reconnecting(world, changes, which == "not wanted" ? 0ms : 200ms);
  const Nanoseconds begun = monotonic_now();
  Nanoseconds spoke = begun;
  REQUIRE(source->start({}, listener));
  world.listener->on_state(which == "pauses" ? SourceState::Paused : SourceState::Streaming, nullptr);
  if (which == "rests") source->rest();
  Nanoseconds silence{};  // the longest that it can have seen, on a machine that may be busy
  for (const Nanoseconds end = begun + 600ms; monotonic_now() < end;) {
    std::this_thread::sleep_for(10ms);
    const Nanoseconds before = monotonic_now();
    if (which == "speaks") world.listener->on_frame(Frame{});
    silence = std::max(silence, monotonic_now() - std::exchange(spoke, before));
  }
  CHECK((world.woken == 0 || (which == "speaks" && silence >= 200ms)));
  CHECK(world.made == 1);
  CHECK(changes.lost == 0);
}
