#pragma once

#include "base/clock.h"

#include <array>
#include <atomic>
#include <cstdint>

namespace zc {

/// Durations in fixed memory: log-linear buckets (16 per octave, at most 6 % wide) from 1 us to over an hour.
/// record() is wait-free; any thread may record and read at the same time.
class DurationHistogram {
 public:
  void record(Nanoseconds duration) noexcept;
  [[nodiscard]] std::uint64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  /// The middle of the bucket below which `fraction` (0..1) of the records lie; zero when there are none.
  [[nodiscard]] Nanoseconds quantile(double fraction) const noexcept;
  /// Records of at most `bound`, to the width of its bucket: what a cumulative histogram shows.
  [[nodiscard]] std::uint64_t count_within(Nanoseconds bound) const noexcept;
  /// Of all records.
  [[nodiscard]] Nanoseconds sum() const noexcept { return Nanoseconds(sum_.load(std::memory_order_relaxed)); }
  [[nodiscard]] Nanoseconds max() const noexcept { return Nanoseconds(max_.load(std::memory_order_relaxed)); }

 private:
  static constexpr unsigned kSubBits = 4;  // 16 buckets an octave
  static constexpr unsigned kBuckets = (33U - kSubBits) << kSubBits;

  [[nodiscard]] static unsigned bucket(std::uint64_t microseconds) noexcept;
  [[nodiscard]] static std::uint64_t middle_us(unsigned bucket) noexcept;

  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::int64_t> sum_{0};
  std::atomic<std::int64_t> max_{0};
};

}  // namespace zc
