#include "tools/frame_report.h"

#include <algorithm>
#include <set>

namespace zc::test {
namespace {

constexpr std::size_t kShown = 10;

double seconds(std::int64_t ticks) { return static_cast<double>(ticks) / static_cast<double>(kPacketClock); }

/// Counts frame numbers.
class MarkCounter {
 public:
  void add(const TestMark& mark, double time, FrameReport& report) {
    ++report.marked;
    if (!report.first_mark) report.first_mark = mark.frame;
    if (report.last_mark && mark.frame == *report.last_mark) {
      ++report.duplicates;
      if (report.repeats.size() < kShown) report.repeats.push_back(report.frames - 1);
    }
    if (report.last_mark && mark.frame != *report.last_mark && mark.frame != *report.last_mark + 1) {
      report.jumps.push_back({time, *report.last_mark, mark.frame});
    }
    if (!seen_.empty() && mark.frame < *seen_.rbegin()) ++report.out_of_order;
    report.last_mark = mark.frame;
    seen_.insert(mark.frame);
  }
  void finish(FrameReport& report) const {
    report.distinct = seen_.size();
    if (!seen_.empty()) report.missing = std::uint64_t{*seen_.rbegin() - *seen_.begin()} + 1 - seen_.size();
  }

 private:
  std::set<std::uint32_t> seen_;
};

}  // namespace

Result<FrameReport> check_frames(Decoder decoder, Size painted) {
  FrameReport report;
  MarkCounter marks;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::int64_t last_keyframe = 0;
  while (true) {
    auto next = decoder.next();
    if (!next) return std::unexpected(std::move(next.error()));
    if (!*next) break;
    const DecodedFrame& frame = **next;
    if (report.frames == 0) {
      first = last_keyframe = frame.pts;
      report.colour = frame.colour;
      report.bit_depth = frame.bit_depth;
    } else {
      if (frame.pts <= last) ++report.pts_not_rising;
      report.max_gap_seconds = std::max(report.max_gap_seconds, seconds(frame.pts - last));
    }
    if (frame.keyframe) {
      ++report.keyframes;
      last_keyframe = frame.pts;
    }
    report.max_keyframe_gap_seconds = std::max(report.max_keyframe_gap_seconds, seconds(frame.pts - last_keyframe));
    last = frame.pts;
    ++report.frames;
    if (const auto mark = frame.mark(painted.empty() ? frame.size : painted)) {
      marks.add(*mark, seconds(frame.pts), report);
    } else if (report.illegible.size() < kShown) {
      report.illegible.push_back(report.frames - 1);
    }
  }
  marks.finish(report);
  report.media = decoder.info();
  report.decode_errors = decoder.decode_errors();
  report.first_seconds = seconds(first);
  report.last_seconds = seconds(last);
  if (report.frames > 1 && last > first) {
    report.fps = static_cast<double>(report.frames - 1) / seconds(last - first);
  }
  return report;
}

}  // namespace zc::test
