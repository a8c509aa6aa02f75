// What the numbers and times of decoded pictures say about the stream: pure bookkeeping.
#pragma once

#include "base/clock.h"
#include "media/packet.h"
#include "media/test_mark.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace zc::verify {

/// Numbers from `first` to `last`, both included.
struct NumberRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  bool operator==(const NumberRange&) const = default;
};

/// What was found; times in kPacketClock ticks.
struct OrderReport {
  std::uint64_t pictures = 0;
  std::uint64_t marked = 0;     ///< with a legible number
  std::uint64_t illegible = 0;  ///< without one between pictures that have one
  std::uint64_t distinct = 0;   ///< different numbers; without numbers: pictures that differ from the one before
  /// Shown again: the number, or without numbers the content, of the picture before. A still screen is repeated so.
  std::uint64_t duplicates = 0;
  std::uint64_t out_of_order = 0;  ///< a lower number than one before
  /// Numbers between the lowest and the highest that never came; without numbers: pictures that a constant rate has
  /// room for and that are not there. nullopt: neither can be told.
  std::optional<std::uint64_t> dropped;
  std::vector<NumberRange> missing;  ///< the numbers, rising
  std::optional<std::uint32_t> first_number, last_number;
  std::uint64_t times_not_rising = 0;  ///< pictures that are not later than the one before
  std::uint64_t gaps = 0;              ///< pictures that come later after the one before than allowed
  std::int64_t longest_gap = 0;
  std::int64_t first_pts = 0, last_pts = 0;
  std::optional<std::int64_t> constant_interval;  ///< nearly every picture comes so long after the one before
  /// How far a picture's time strays from the time it was painted at, against the first one's; of new numbers only.
  std::optional<std::int64_t> largest_time_error;

  [[nodiscard]] double rate() const;  ///< pictures per second between the first and the last; 0 when that says nothing
};

class FrameOrder {
 public:
  /// `max_gap` in kPacketClock ticks.
  explicit FrameOrder(std::int64_t max_gap) : max_gap_(max_gap) {}

  /// The next picture in the order it is shown; `content` is a hash of its samples.
  void add(std::int64_t pts, const std::optional<TestMark>& mark, std::uint64_t content);
  [[nodiscard]] OrderReport report() const;

 private:
  void add_number(const TestMark& mark, std::int64_t pts);
  /// False: it was there already.
  bool insert(std::uint32_t number);
  [[nodiscard]] std::optional<std::int64_t> constant_interval() const;

  std::int64_t max_gap_;
  OrderReport report_;
  std::uint64_t unnumbered_ = 0;       ///< since the last number
  std::uint64_t changes_ = 0;          ///< contents unlike the one before
  std::uint64_t content_repeats_ = 0;  ///< contents like the one before
  std::uint64_t last_content_ = 0;
  std::vector<NumberRange> seen_;        ///< rising, with room between them
  std::vector<std::int64_t> intervals_;  ///< ticks between pictures
  std::optional<TestMark> first_mark_, last_mark_;
  std::int64_t first_mark_pts_ = 0;
};

}  // namespace zc::verify
