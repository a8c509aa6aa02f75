#include "audio/device_clock.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cstddef>
#include <random>

using namespace zc;
using Catch::Matchers::WithinAbs;

namespace {

/// Blocks for so many seconds from a device that is that slow.
double run(DeviceClock& clock, double slowness, double seconds, double jitter = 0, std::size_t block = 1024) {
  std::minstd_rand random(7);
  std::uniform_real_distribution<double> spread(-jitter, jitter);
  const double length = static_cast<double>(block) / 48'000 * (1 + slowness);
  double time = 3;
  clock.begin(time, block);
  const auto blocks = static_cast<std::size_t>(seconds / length);
  for (std::size_t i = 0; i < blocks; ++i) {
    time += length;
    clock.update(time + (jitter > 0 ? spread(random) : 0), block);
  }
  return time;
}

}  // namespace

TEST_CASE("the rate of a device is measured, and its blocks are due by it") {
  for (const double slowness : {0.0, 0.0003, -0.0003, 0.002}) {
    DeviceClock clock(48'000);
    const double time = run(clock, slowness, 20);
    CHECK_THAT(clock.slowness(), WithinAbs(slowness, 1e-6));
    CHECK_THAT(clock.block_time(), WithinAbs(time, 1e-5));
    CHECK_THAT(clock.next_time(), WithinAbs(time + 1024.0 / 48'000 * (1 + slowness), 1e-5));
  }
}

TEST_CASE("jitter of the stamps is taken out") {
  DeviceClock clock(48'000);
  const double time = run(clock, 0.0003, 60, 0.001);
  CHECK_THAT(clock.slowness(), WithinAbs(0.0003, 2e-5));
  CHECK_THAT(clock.block_time(), WithinAbs(time, 0.0002));
}

TEST_CASE("blocks of any length are followed") {
  for (const std::size_t block : {16UZ, 64UZ, 8192UZ}) {
    DeviceClock clock(48'000);
    run(clock, 0.0003, 30, 0.0001, block);
    CHECK_THAT(clock.slowness(), WithinAbs(0.0003, 3e-5));
  }
}

TEST_CASE("a gap does not change what is known of the rate, and nonsense does not run away") {
  DeviceClock clock(48'000);
  run(clock, 0.0003, 30);
  clock.begin(1000, 1024);
  CHECK_THAT(clock.slowness(), WithinAbs(0.0003, 1e-6));
  CHECK_THAT(clock.next_time(), WithinAbs(1000 + 1024.0 / 48'000 * 1.0003, 1e-9));
  for (int i = 0; i < 1000; ++i) clock.update(clock.next_time() + 10, 1024);
  CHECK(clock.slowness() <= 0.006);
}
