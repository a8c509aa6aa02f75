#include "base/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace zc {

unsigned DurationHistogram::bucket(std::uint64_t microseconds) noexcept {
  constexpr std::uint64_t kLinear = 1U << kSubBits;
  if (microseconds < kLinear) return static_cast<unsigned>(microseconds);
  const auto octave = static_cast<unsigned>(std::bit_width(microseconds)) - 1;  // >= kSubBits
  const auto sub = static_cast<unsigned>((microseconds >> (octave - kSubBits)) & (kLinear - 1));
  return std::min(kBuckets - 1, ((octave - kSubBits + 1) << kSubBits) + sub);
}

std::uint64_t DurationHistogram::middle_us(unsigned bucket) noexcept {
  constexpr unsigned kLinear = 1U << kSubBits;
  if (bucket < kLinear) return bucket;
  const unsigned octave = (bucket >> kSubBits) - 1 + kSubBits;
  const std::uint64_t width = std::uint64_t{1} << (octave - kSubBits);
  return (std::uint64_t{1} << octave) + (bucket & (kLinear - 1)) * width + width / 2;
}

void DurationHistogram::record(Nanoseconds duration) noexcept {
  const std::int64_t ns = std::max<std::int64_t>(0, duration.count());
  buckets_[bucket(static_cast<std::uint64_t>(ns) / 1000)].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(ns, std::memory_order_relaxed);
  std::int64_t seen = max_.load(std::memory_order_relaxed);
  while (ns > seen && !max_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
  }
}

std::uint64_t DurationHistogram::count_within(Nanoseconds bound) const noexcept {
  if (bound < Nanoseconds{}) return 0;
  const unsigned last = bucket(static_cast<std::uint64_t>(bound.count()) / 1000);
  std::uint64_t count = 0;
  for (unsigned i = 0; i <= last; ++i) count += buckets_[i].load(std::memory_order_relaxed);
  return count;
}

Nanoseconds DurationHistogram::quantile(double fraction) const noexcept {
  std::uint64_t total = 0;
  for (const auto& b : buckets_) total += b.load(std::memory_order_relaxed);
  if (total == 0) return {};
  const auto rank = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(total))));
  std::uint64_t below = 0;
  for (unsigned i = 0; i < kBuckets; ++i) {
    below += buckets_[i].load(std::memory_order_relaxed);
    if (below >= rank) return std::min(max(), Nanoseconds(static_cast<std::int64_t>(middle_us(i)) * 1000));
  }
  return max();
}

}  // namespace zc
