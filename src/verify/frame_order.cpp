#include "verify/frame_order.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace zc::verify {
namespace {

/// Matroska rounds times to milliseconds.
constexpr std::int64_t kRounding = kPacketClock / 1000 + 1;
/// Of a constant rate: how many of the intervals must agree with their median, and how well.
constexpr double kAgreeing = 0.9;
constexpr std::int64_t kTolerance = 8;  // a part of the interval: an eighth

}  // namespace

double OrderReport::rate() const {
  if (pictures < 2 || last_pts <= first_pts) return 0;
  return static_cast<double>(pictures - 1) * static_cast<double>(kPacketClock) /
         static_cast<double>(last_pts - first_pts);
}

bool FrameOrder::insert(std::uint32_t number) {
  // The first range that ends at the number before this one, or later.
  const auto at = std::ranges::lower_bound(seen_, number == 0 ? 0 : number - 1, {}, &NumberRange::last);
  if (at == seen_.end()) {
    seen_.push_back({number, number});
    return true;
  }
  if (number >= at->first && number <= at->last) return false;
  const auto next = at + 1;
  if (at->last < number) {
    at->last = number;
    if (next != seen_.end() && next->first == number + 1) {
      at->last = next->last;
      seen_.erase(next);
    }
  } else if (at->first == number + 1) {
    at->first = number;
  } else {
    seen_.insert(at, {number, number});
  }
  return true;
}

void FrameOrder::add_number(const TestMark& mark, std::int64_t pts) {
  ++report_.marked;
  if (first_mark_) report_.illegible += unnumbered_;
  unnumbered_ = 0;
  if (!first_mark_) {
    first_mark_ = mark;
    first_mark_pts_ = pts;
  }
  if (last_mark_ && last_mark_->frame == mark.frame) ++report_.duplicates;
  if (!seen_.empty() && mark.frame < seen_.back().last) ++report_.out_of_order;
  if (insert(mark.frame)) {
    const std::int64_t painted = to_packet_clock(mark.time - first_mark_->time);
    const std::int64_t error = std::abs((pts - first_mark_pts_) - painted);
    report_.largest_time_error = std::max(report_.largest_time_error.value_or(0), error);
  }
  last_mark_ = mark;
}

void FrameOrder::add(std::int64_t pts, const std::optional<TestMark>& mark, std::uint64_t content) {
  if (report_.pictures == 0) {
    report_.first_pts = pts;
  } else {
    const std::int64_t interval = pts - report_.last_pts;
    if (interval <= 0) ++report_.times_not_rising;
    if (interval > max_gap_) ++report_.gaps;
    report_.longest_gap = std::max(report_.longest_gap, interval);
    intervals_.push_back(interval);
  }
  if (report_.pictures == 0 || content != last_content_) {
    ++changes_;
  } else {
    ++content_repeats_;
  }
  last_content_ = content;
  report_.last_pts = pts;
  ++report_.pictures;
  if (mark) {
    add_number(*mark, pts);
  } else {
    ++unnumbered_;
  }
}

std::optional<std::int64_t> FrameOrder::constant_interval() const {
  if (intervals_.size() < 4) return std::nullopt;
  std::vector<std::int64_t> sorted = intervals_;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::ranges::nth_element(sorted, middle);
  const std::int64_t median = *middle;
  if (median <= 0) return std::nullopt;
  const auto near = std::ranges::count_if(
      sorted, [&](std::int64_t interval) { return std::abs(interval - median) <= median / kTolerance + kRounding; });
  const bool constant = static_cast<double>(near) >= kAgreeing * static_cast<double>(sorted.size());
  return constant ? std::optional(median) : std::nullopt;
}

OrderReport FrameOrder::report() const {
  OrderReport report = report_;
  report.constant_interval = constant_interval();
  if (!seen_.empty()) {
    report.first_number = seen_.front().first;
    report.last_number = seen_.back().last;
    std::uint64_t dropped = 0;
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      report.distinct += std::uint64_t{seen_[i].last} - seen_[i].first + 1;
      if (i == 0) continue;
      report.missing.push_back({seen_[i - 1].last + 1, seen_[i].first - 1});
      dropped += std::uint64_t{report.missing.back().last} - report.missing.back().first + 1;
    }
    report.dropped = dropped;
    return report;
  }
  report.distinct = changes_;
  report.duplicates = content_repeats_;
  if (!report.constant_interval) return report;
  std::uint64_t dropped = 0;
  const auto constant = static_cast<double>(*report.constant_interval);
  for (const std::int64_t interval : intervals_) {
    const auto places = std::llround(static_cast<double>(interval) / constant);
    if (places > 1) dropped += static_cast<std::uint64_t>(places - 1);
  }
  report.dropped = dropped;
  return report;
}

}  // namespace zc::verify
