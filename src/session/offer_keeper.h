#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/format_offer.h"
#include "zerocopy/importer.h"

#include <cstdint>
#include <functional>

namespace zc {

/// Keeps what the source gives in step with what the importer takes: asks the source anew when the importer's offer
/// became smaller, and again, later and later and at last without dmabufs, when pictures still come that the importer
/// does not take. One thread.
class OfferKeeper {
 public:
  using Renegotiate = std::function<Result<void>(const FormatOffer&)>;

  /// Pictures in the old format may be under way this long after the source was asked.
  static constexpr Nanoseconds kFirstPatience = std::chrono::seconds(1);
  static constexpr Nanoseconds kLongestPatience = std::chrono::seconds(30);

  /// `renegotiate` may be empty: the source cannot be asked.
  OfferKeeper(const Importer& importer, Renegotiate renegotiate)
      : importer_(&importer), renegotiate_(std::move(renegotiate)), version_(importer.offer_version()) {}

  /// From now on for this importer, whose offer the source has been made.
  void follow(const Importer& importer) {
    importer_ = &importer;
    version_ = importer.offer_version();
    attempts_ = 0;
    not_before_ = {};
  }

  /// After each import of a picture; `error`: why it failed, or null. An error: the importer takes nothing any more.
  [[nodiscard]] Result<void> after_import(const Error* error, Nanoseconds now);

 private:
  void ask(const FormatOffer& offer, Nanoseconds now);

  const Importer* importer_;
  Renegotiate renegotiate_;
  std::uint64_t version_;
  unsigned attempts_ = 0;     ///< since pictures came in a format that is taken
  Nanoseconds not_before_{};  ///< when asking again is allowed
};

}  // namespace zc
