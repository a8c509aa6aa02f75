// What a session's source may be asked for.
#pragma once

#include "base/clock.h"
#include "media/format_offer.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// What the importer reads, less what was refused of late, at no more than the wanted rate: the one place of a session
/// that knows what may be offered. A refusal takes one modifier of one format out and expires; the next refusal of the
/// same lasts longer. What the *producer* does not manage (it fixates no modifier, it cannot allocate) is none of this
/// table's business: the source knows that of its stream (capture/hand_shake.h).
///
/// Whoever asks the source looks at next() after each picture. One thread at a time; allocates nothing while nothing
/// changes. Times are CLOCK_MONOTONIC.
class FormatTable {
 public:
  /// How long a first refusal lasts; each further one of the same twice as long.
  static constexpr Nanoseconds kFirstBackOff = std::chrono::seconds(10);
  static constexpr Nanoseconds kLongestBackOff = std::chrono::minutes(10);
  /// Pictures in the old format may be under way this long after the source was asked; twice as long each time that
  /// they still come.
  static constexpr Nanoseconds kFirstPatience = std::chrono::seconds(1);
  static constexpr Nanoseconds kLongestPatience = std::chrono::seconds(30);

  /// What the importer reads from now on; refusals stay.
  void set_readable(FormatOffer readable);
  /// Formats of more than 8 bits come first from now on.
  void prefer_deep() { deep_first_ = true; }
  /// The most pictures a second that are wanted; nullopt or zero: no limit.
  void limit_rate(std::optional<Rational> most);

  /// Such a dmabuf could not be taken. Where it was refused before and still comes, although the source had time to
  /// change, the source knows no other: then all dmabufs are refused, where shared memory is acceptable.
  void refuse(PixelFormat format, std::uint64_t modifier, std::string_view why, Nanoseconds now);
  void refuse_dmabufs(std::string_view why, Nanoseconds now);
  /// A picture that is no dmabuf could not be taken: the source is asked again, ever more rarely.
  void not_taken(std::string_view why, Nanoseconds now);
  /// A picture was taken as it came; `modifier`: of a dmabuf.
  void taken(PixelFormat format, std::optional<std::uint64_t> modifier, Nanoseconds now);

  /// Readable, not refused now.
  [[nodiscard]] bool offered(PixelFormat format, std::uint64_t modifier, Nanoseconds now) const;
  [[nodiscard]] FormatOffer offer(Nanoseconds now) const;
  /// offer(), for a source that is about to be started with it.
  [[nodiscard]] FormatOffer begin(Nanoseconds now);
  /// What the source is to be asked for, where that is not what it was asked for last, or is to be said again: at once
  /// after a refusal, a change or an expiry.
  [[nodiscard]] std::optional<FormatOffer> next(Nanoseconds now);
  /// Why next() gave something, for the log.
  [[nodiscard]] const std::string& reason() const { return reason_; }
  /// Times that the source was asked since a picture was taken: it does not seem to listen.
  [[nodiscard]] unsigned attempts() const { return attempts_; }

 private:
  /// Of one modifier of one format, or of all dmabufs (nullopt). Kept when it has expired, for its back-off.
  struct Refusal {
    struct Pair {
      PixelFormat format = PixelFormat::Unknown;
      std::uint64_t modifier = 0;
      bool operator==(const Pair&) const = default;
    };
    std::optional<Pair> pair;
    Nanoseconds until{};
    Nanoseconds back_off{};
  };
  void add(const std::optional<Refusal::Pair>& pair, Nanoseconds now);
  void ask_again(std::string_view why, Nanoseconds now);

  FormatOffer readable_;
  bool deep_first_ = false;
  std::optional<Rational> most_;
  std::vector<Refusal> refusals_;
  std::string reason_;
  FormatOffer made_;                              ///< the last offer that was given out
  bool due_ = false;                              ///< next() has something
  Nanoseconds next_expiry_ = Nanoseconds::max();  ///< of those that `made_` lacks
  unsigned attempts_ = 0;
  Nanoseconds not_before_{};  ///< when asking for the same again is allowed
};

}  // namespace zc
