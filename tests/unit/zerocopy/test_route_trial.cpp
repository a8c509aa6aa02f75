// Which of several routes makes a stream's pictures: pure bookkeeping, times given.
#include "zerocopy/device/route_list.h"
#include "zerocopy/device/route_trial.h"
#include "zerocopy/wait_estimate.h"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <map>
#include <string>
#include <utility>

using namespace zc;

namespace {

constexpr std::uint64_t kTiled = 0x0300'0000'0060'6014;
constexpr PictureKind kKind{PixelFormat::BGRx, kTiled, {1920, 1080}, {1920, 1080}};
constexpr unsigned kEach = RouteTrial::kWarmUp + RouteTrial::kSamples;

class FakeRoute final : public DeviceConverter {
 public:
  explicit FakeRoute(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] std::string_view route() const override { return name_; }
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat /*format*/) const override {
    return {kTiled, kModifierLinear};
  }
  [[nodiscard]] bool takes(const Dmabuf& /*dmabuf*/, const PicturePlan& /*plan*/) const override { return true; }
  [[nodiscard]] Result<void> convert(const DevicePicture& /*picture*/) override { return {}; }
  void forget_targets() override { ++forgotten; }
  int forgotten = 0;

 private:
  std::string name_;
};

/// Pictures made by each, out of `pictures`.
std::map<const DeviceConverter*, unsigned> run(RouteTrial& trial, std::span<DeviceConverter* const> routes,
                                               const std::map<const DeviceConverter*, int>& us, unsigned pictures,
                                               const PictureKind& kind = kKind) {
  std::map<const DeviceConverter*, unsigned> made;
  for (unsigned i = 0; i < pictures; ++i) {
    DeviceConverter* chosen = trial.choose(kind, routes);
    ++made[chosen];
    const Nanoseconds time = std::chrono::microseconds(us.at(chosen));
    trial.took(*chosen, {.time = time, .cpu = time});
  }
  return made;
}

}  // namespace

TEST_CASE("each route makes the same number of pictures, then the fastest makes them all") {
  FakeRoute one("one");
  FakeRoute two("two");
  FakeRoute three("three");
  const std::array<DeviceConverter*, 3> routes{&one, &two, &three};
  RouteTrial trial;
  const std::map<const DeviceConverter*, int> us{{&one, 85}, {&two, 53}, {&three, 60}};
  auto made = run(trial, routes, us, 3 * kEach);
  for (const DeviceConverter* route : routes) CHECK(made[route] == kEach);
  made = run(trial, routes, us, 100);
  CHECK(made[&two] == 100);
  CHECK(one.forgotten == 1);
  CHECK(two.forgotten == 0);
  CHECK(three.forgotten == 1);
}

TEST_CASE("pictures that take long for another reason do not decide") {
  FakeRoute one("one");
  FakeRoute two("two");
  const std::array<DeviceConverter*, 2> routes{&one, &two};
  RouteTrial trial;
  for (unsigned i = 0; i < 2 * kEach; ++i) {
    DeviceConverter* chosen = trial.choose(kKind, routes);
    // The faster one has every other buffer to import, as the first pictures of a stream do.
    const int us = chosen == &two ? (i % 4 < 2 ? 5000 : 50) : 60;
    trial.took(*chosen, {.time = std::chrono::microseconds(us), .cpu = std::chrono::microseconds(us)});
  }
  CHECK(trial.choose(kKind, routes) == &two);
}

TEST_CASE("of routes that are fast enough the one with the least CPU time is the best") {
  using std::chrono::microseconds;
  struct Case {
    RouteCost one, two;
    bool second;
  };
  const std::array cases{
      Case{{microseconds(50), microseconds(50)}, {microseconds(70), microseconds(15)}, true},  // sleeps while it waits
      Case{
          {microseconds(50), microseconds(50)}, {microseconds(76), microseconds(15)}, false},  // over 1.5 times as long
      Case{{microseconds(50), microseconds(15)}, {microseconds(40), microseconds(40)}, false},
      Case{{microseconds(3500), microseconds(900)}, {microseconds(4200), microseconds(100)}, false},  // is seen
      Case{{microseconds(9000), microseconds(900)}, {microseconds(8900), microseconds(5000)}, true}};
  for (const Case& c : cases) {
    CAPTURE(c.one.time.count(), c.two.time.count());
    FakeRoute one("one");
    FakeRoute two("two");
    const std::array<DeviceConverter*, 2> routes{&one, &two};
    RouteTrial trial;
    for (unsigned i = 0; i < 2 * kEach; ++i) {
      DeviceConverter* chosen = trial.choose(kKind, routes);
      CHECK(trial.measuring());
      trial.took(*chosen, chosen == &one ? c.one : c.two);
    }
    CHECK(trial.choose(kKind, routes) == (c.second ? &two : &one));
    CHECK_FALSE(trial.measuring());
    CHECK((c.second ? one : two).forgotten == 1);
  }
}

TEST_CASE("a route that rests or is gone leaves the pictures to the others") {
  FakeRoute one("one");
  FakeRoute two("two");
  const std::array<DeviceConverter*, 2> both{&one, &two};
  const std::array<DeviceConverter*, 1> second{&two};
  RouteTrial trial;
  const std::map<const DeviceConverter*, int> us{{&one, 10}, {&two, 20}};
  CHECK(run(trial, second, us, 5)[&two] == 5);
  run(trial, both, us, 2 * kEach);
  CHECK(trial.choose(kKind, both) == &one);
  CHECK(trial.choose(kKind, second) == &two);
  trial.remove(one);
  CHECK(run(trial, second, us, 5)[&two] == 5);
}

TEST_CASE("each kind of picture has its own fastest route") {
  FakeRoute one("one");
  FakeRoute two("two");
  const std::array<DeviceConverter*, 2> routes{&one, &two};
  PictureKind other = kKind;
  other.buffer = {3840, 2160};
  RouteTrial trial;
  run(trial, routes, {{&one, 10}, {&two, 20}}, 2 * kEach);
  run(trial, routes, {{&one, 20}, {&two, 10}}, 2 * kEach, other);
  CHECK(trial.choose(kKind, routes) == &one);
  CHECK(trial.choose(other, routes) == &two);
}

TEST_CASE("the list tries its routes on tiled pictures, and gives LINEAR ones to the first") {
  std::vector<std::unique_ptr<DeviceConverter>> routes;
  routes.push_back(std::make_unique<FakeRoute>("one"));
  routes.push_back(std::make_unique<FakeRoute>("two"));
  RouteList list(std::move(routes));
  CHECK(list.modifiers(PixelFormat::BGRx) == std::vector<std::uint64_t>{kTiled, kModifierLinear});
  const auto plan = make_picture_plan(PixelFormat::BGRx, {64, 36}, {}, Transform::Normal, {64, 36});
  REQUIRE(plan);
  Dmabuf dmabuf;
  dmabuf.modifier = kTiled;
  std::map<std::string_view, unsigned> made;
  for (unsigned i = 0; i < 2 * kEach + 10; ++i) {
    list.next_picture();
    DeviceConverter* chosen = list.find(dmabuf, *plan);
    REQUIRE(chosen != nullptr);
    ++made[chosen->route()];
    CHECK(list.measuring() == (i < 2 * kEach));
    const Nanoseconds time = std::chrono::microseconds(chosen->route() == "two" ? 10 : 20);
    list.succeeded(*chosen, {.time = time, .cpu = time});
  }
  CHECK(made["one"] == kEach);
  CHECK(made["two"] == kEach + 10);
  // The faster one is lost: the other goes on.
  DeviceConverter* fast = list.find(dmabuf, *plan);
  list.failed(*fast, {ErrorKind::Lost, ErrorDomain::Gpu, 0, "convert", "gone"});
  DeviceConverter* left = list.find(dmabuf, *plan);
  REQUIRE(left != nullptr);
  CHECK(left->route() == "one");
  dmabuf.modifier = kModifierLinear;
  CHECK(list.find(dmabuf, *plan)->route() == "one");
}

TEST_CASE("a nap ends before the work does, and follows it when it becomes shorter or longer") {
  using std::chrono::microseconds;
  WaitEstimate estimate;
  CHECK(estimate.nap() == Nanoseconds{});
  unsigned overslept = 0;
  const auto frame = [&](Nanoseconds work, Nanoseconds late) {
    const Nanoseconds asked = estimate.nap();
    const Nanoseconds slept = asked == Nanoseconds{} ? Nanoseconds{} : asked + late;
    if (asked > Nanoseconds{}) estimate.napped(asked, slept);
    const bool too_long = slept > work;
    if (too_long) ++overslept;
    estimate.learn(std::max(slept, work), too_long);
    return asked;
  };
  for (int i = 0; i < 20; ++i) frame(microseconds(50), microseconds(8));
  CHECK(overslept <= 1);  // until it is known how late the system wakes up
  CHECK(frame(microseconds(50), microseconds(8)) > microseconds(30));
  for (int i = 0; i < 60; ++i) frame(microseconds(200), microseconds(8));
  CHECK(frame(microseconds(200), microseconds(8)) > microseconds(170));
  overslept = 0;
  for (int i = 0; i < 60; ++i) frame(microseconds(50), microseconds(8));
  CHECK(overslept < 10);
  CHECK(frame(microseconds(50), microseconds(8)) > microseconds(30));
  // A system that cannot sleep for so short a time is not asked to.
  for (int i = 0; i < 20; ++i) frame(microseconds(50), microseconds(300));
  CHECK(estimate.nap() == Nanoseconds{});
  for (int i = 0; i < 400; ++i) frame(microseconds(50), microseconds(8));
  CHECK(estimate.nap() > microseconds(30));  // tried again
  // No estimate makes a wait endless.
  WaitEstimate slow;
  slow.learn(std::chrono::seconds(5), false);
  CHECK(slow.nap() <= std::chrono::milliseconds(20));
  // One that took very long is soon forgotten.
  WaitEstimate disturbed;
  for (int i = 0; i < 20; ++i) disturbed.learn(microseconds(50), false);
  disturbed.learn(std::chrono::milliseconds(160), false);
  CHECK(disturbed.nap() <= microseconds(100));
}
