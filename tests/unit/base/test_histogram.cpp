#include "base/histogram.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

using namespace zc;
using namespace std::chrono_literals;

TEST_CASE("quantiles are within a bucket's width of the truth") {
  DurationHistogram histogram;
  CHECK(histogram.quantile(0.5) == 0ns);
  for (int i = 1; i <= 10'000; ++i) histogram.record(std::chrono::microseconds(i));
  CHECK(histogram.count() == 10'000);
  for (const double q : {0.01, 0.5, 0.95, 0.99}) {
    CHECK(static_cast<double>(histogram.quantile(q).count()) == Catch::Approx(q * 10'000'000).epsilon(0.065));
  }
  CHECK(histogram.quantile(1.0) <= histogram.max());
  CHECK(histogram.max() == 10ms);
}

TEST_CASE("extremes stay inside the table") {
  DurationHistogram histogram;
  histogram.record(-5ns);
  histogram.record(std::chrono::hours(1000));
  CHECK(histogram.count() == 2);
  CHECK(histogram.quantile(0.5) == 0ns);
  CHECK(histogram.quantile(1.0) > std::chrono::hours(1));
}
