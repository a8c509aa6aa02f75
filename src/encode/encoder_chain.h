#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "encode/encoder.h"
#include "encode/settings.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

struct EncoderRow;

/// How long a driver may take to try and open one encoder. A machine whose driver starts with it takes some seconds.
inline constexpr Nanoseconds kOpenPatience = std::chrono::seconds(20);

/// How long `row` may take then. What software does is no driver's affair and takes its time, but for one thing: before
/// version 6 FFmpeg opens most encoders under one lock, which one that hangs holds for good. nullopt: as long as it
/// takes.
[[nodiscard]] std::optional<Nanoseconds> open_patience(const EncoderRow& row, Nanoseconds patience);
/// What is said of a row that took longer.
[[nodiscard]] Error hung(const EncoderRow& row, Nanoseconds patience);

/// The encoders that come into question for a user's settings, in the order they are tried (sort_encoders()). One that
/// uses hardware is opened only after it has encoded a test picture with these settings (prove_encoder()); software is
/// not tried beforehand: no driver is in doubt, and the last of a chain would be taken whatever a trial said.
///
/// Each is tried on a thread of its own, which inherits the caller's name. A driver that does not come back is left
/// there (park()), and the next candidate is tried.
class EncoderChain {
 public:
  /// Why an earlier candidate was passed over.
  struct Refusal {
    std::string_view encoder;
    Error error;
    bool hardware_here = false;  ///< this machine has what it needs: the settings or the driver are at fault
  };

  /// Rows of the wanted codec; "auto" is H.264, the codec a CPU encodes fastest and every player knows. Invalid: the
  /// forced encoder does not exist (naming those that do) or encodes another codec, or the order names what is none.
  [[nodiscard]] static Result<EncoderChain> create(EncoderSettings settings, Nanoseconds patience = kOpenPatience);

  /// The first candidate that opens. What is Invalid for one (its own options, its range of crf) may be valid for the
  /// next; when it is for the last as well, that is the error. Otherwise the error lists why each candidate was
  /// refused.
  [[nodiscard]] Result<std::unique_ptr<Encoder>> open_first(const VideoParameters& video);
  /// The first that opens of those after the one opened last, which failed. Errors as open_first().
  [[nodiscard]] Result<std::unique_ptr<Encoder>> open_next(const VideoParameters& video);
  /// What is opened from now on has this bit rate; nothing at constant quality.
  void set_bit_rate(std::int64_t bits_per_second);
  /// open_next() has nothing to try any more.
  [[nodiscard]] bool exhausted() const { return next_ == candidates_.size(); }

  /// From the last open_first() or open_next(): those tried before the winner.
  [[nodiscard]] const std::vector<Refusal>& refusals() const { return refusals_; }
  /// In their order once open_first() was called; before that, in the order for pictures of host memory.
  [[nodiscard]] const std::vector<const EncoderRow*>& candidates() const { return candidates_; }

 private:
  EncoderChain(EncoderSettings settings, std::vector<const EncoderRow*> candidates, Nanoseconds patience)
      : settings_(std::move(settings)), patience_(patience), candidates_(std::move(candidates)) {}
  struct Attempt {
    Result<std::unique_ptr<Encoder>> encoder;
    bool hardware_here = false;  ///< looked for where there is no encoder
  };
  [[nodiscard]] Attempt attempt(const EncoderRow& row, const VideoParameters& video);

  EncoderSettings settings_;
  Nanoseconds patience_;
  std::vector<const EncoderRow*> candidates_;
  std::size_t next_ = 0;  ///< the candidate to try next
  std::vector<Refusal> refusals_;
};

}  // namespace zc
