#include "bench/ways.h"

#include "base/process_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace zc::bench {

using nlohmann::json;

void give_up(const Error& error) {
  fmt::print(stderr, "zerocast-gpu-bench: {}\n", error.message());
  std::exit(1);
}

double quantile(std::vector<double> values, double part) {
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

void take_turn(Way& way, int count) {
  for (int i = 0; i < 30; ++i) way.frame();
  std::vector<double> us;
  us.reserve(static_cast<std::size_t>(count));
  const Nanoseconds cpu = process_cpu_time();
  for (int i = 0; i < count; ++i) {
    const Nanoseconds start = monotonic_now();
    way.frame();
    us.push_back(static_cast<double>((monotonic_now() - start).count()) / 1e3);
  }
  way.turn_cpu_us.push_back(static_cast<double>((process_cpu_time() - cpu).count()) / 1e3 / count);
  way.turn_median_us.push_back(quantile(us, 0.5));
  way.us.insert(way.us.end(), us.begin(), us.end());
}

void measure(std::vector<Way>& ways, int turns, int count) {
  for (int turn = 0; turn < turns; ++turn) {
    for (Way& way : ways) {
      take_turn(way, count);
      if (turn == 0) way.check();
    }
  }
}

json figures(const Way& way) {
  return {{"median_us", quantile(way.us, 0.5)},
          {"p95_us", quantile(way.us, 0.95)},
          {"p99_us", quantile(way.us, 0.99)},
          {"min_us", quantile(way.us, 0)},
          {"cpu_us", quantile(way.turn_cpu_us, 0.5)}};
}

double ratio(const std::vector<double>& part, const std::vector<double>& of) {
  std::vector<double> ratios;
  std::ranges::transform(part, of, std::back_inserter(ratios), std::divides{});
  return quantile(std::move(ratios), 0.5);
}

json measure_one(int count, std::function<void()> frame) {
  Way way{.name = "", .frame = std::move(frame)};
  take_turn(way, count);
  return figures(way);
}

}  // namespace zc::bench
