// Which encoders work, found out by encoding, at most once for the same machine and settings.
#pragma once

#include "base/error.h"
#include "encode/encoder_table.h"
#include "encode/proof_cache.h"
#include "encode/settings.h"

#include <optional>
#include <stop_token>
#include <string>

namespace zc {

/// A hardware row counts once it has encoded a test picture with the very settings that are wanted (prove_encoder()).
/// The answer is kept under all that it depends on: the row, the settings, the size, the memory the pictures lie in,
/// FFmpeg's version and the machine's drivers (driver_identity()).
///
/// Software rows are not tried beforehand: their library is part of the process, the driver that a trial would be about
/// does not exist, and as the last of a chain they would be taken whatever it said.
class EncoderProofs {
 public:
  /// Remembers nothing.
  EncoderProofs() = default;
  /// `anew`: every answer is found out again, and kept.
  explicit EncoderProofs(ProofCache cache, bool anew = false) : cache_(std::move(cache)), anew_(anew) {}

  /// Those in the user's cache folder; nothing where there is none.
  [[nodiscard]] static EncoderProofs remembered(bool anew = false);

  struct Outcome {
    bool remembered = false;  ///< nothing was encoded now
    std::string remark;       ///< what could not be checked
  };
  /// Errors as prove_encoder(); a remembered refusal is Unsupported. Nothing is remembered of a trial whose end nobody
  /// waited for: `given_up` is asked for when it ends.
  [[nodiscard]] Result<Outcome> check(const EncoderRow& row, const EncoderSettings& settings,
                                      const VideoParameters& video, const std::stop_token& given_up = {}) const;
  /// It failed although it is said to work: the next check() tries it again.
  void forget(const EncoderRow& row, const EncoderSettings& settings, const VideoParameters& video) const;

  /// What an answer is kept under.
  [[nodiscard]] static std::string key(const EncoderRow& row, const EncoderSettings& settings,
                                       const VideoParameters& video);

 private:
  std::optional<ProofCache> cache_;
  bool anew_ = false;
};

}  // namespace zc
