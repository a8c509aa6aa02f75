// Which bit rate the live sinks' network takes. docs/decisions/0054-a-bit-rate-that-follows.md has the why.
#pragma once

#include "base/clock.h"
#include "output/congestion.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <utility>

namespace zc {

/// Down at once to less than what got through, where a standing queue or what was thrown away shows that the network
/// takes no more; up by small steps after calm, and with more and more patience where that has failed before. The worst
/// sink decides. Knows no clock, thread or socket: everything comes through step().
class BitrateController {
 public:
  struct Limits {
    std::int64_t most = 0;   ///< bit/s; where it begins
    std::int64_t least = 0;  ///< bit/s; at most `most`
  };
  explicit BitrateController(Limits limits);

  /// What the sinks say now, to be asked about ten times a second. The bit rate from here on, if it is another one.
  /// Where a peer is away it does not rise.
  [[nodiscard]] std::optional<std::int64_t> step(Nanoseconds now, std::span<const SinkCongestion> sinks);

  /// Begins anew at other limits.
  void set_limits(Limits limits);
  /// The last change could not be made: it is still this much. A later step tries again.
  void take_back(std::int64_t target);
  /// Each change costs a keyframe: they are made rarer, and those up larger.
  void set_costly(bool on) { costly_ = on; }

  [[nodiscard]] std::int64_t target() const { return target_; }
  [[nodiscard]] Limits limits() const { return limits_; }
  /// Steps down so far.
  [[nodiscard]] std::uint64_t reductions() const { return reductions_; }

 private:
  struct Sample {
    Nanoseconds at{};
    std::uint64_t delivered = 0;
    Nanoseconds delay{};
  };
  struct Link {
    std::deque<Sample> samples;  ///< of the last second
    std::uint64_t late = 0;
    bool threw_away = false;  ///< since the step before
    bool seen = false;        ///< in this step
  };
  /// The worst of all.
  struct Verdict {
    bool congested = false;
    bool calm = true;
    Nanoseconds delay{};                    ///< the longest of those that are congested
    std::optional<std::int64_t> delivered;  ///< bit/s, the least of those that are congested
  };

  [[nodiscard]] Verdict look(Nanoseconds now, std::span<const SinkCongestion> sinks);
  /// Makes `verdict` as bad as this one.
  static void judge(const Link& link, Nanoseconds now, Verdict& verdict);
  void note(Link& link, Nanoseconds now, const Congestion& state) const;
  /// How long what waits now will take.
  [[nodiscard]] Nanoseconds delay_of(const Link& link, Nanoseconds now, const Congestion& state) const;
  [[nodiscard]] std::optional<std::int64_t> go_down(Nanoseconds now, const Verdict& verdict);
  [[nodiscard]] std::optional<std::int64_t> go_up(Nanoseconds now);

  Limits limits_;
  std::int64_t target_;
  std::uint64_t reductions_ = 0;
  bool costly_ = false;
  std::map<std::pair<std::uint32_t, std::uint64_t>, Link> links_;  ///< by sink and peer
  std::optional<Nanoseconds> changed_at_;                          ///< target_
  std::optional<Nanoseconds> lowered_at_;  ///< target_, or it was seen that the queue gets shorter
  std::optional<Nanoseconds> calm_since_;
  Nanoseconds drained_to_{};           ///< the standing delay then
  std::optional<std::int64_t> known_;  ///< bit/s that got through when it was too much
  bool trying_ = false;                ///< the last step was one above it
  Nanoseconds patience_;               ///< before the next step above that
};

}  // namespace zc
