#include "session/offer_keeper.h"

#include "base/log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>

namespace zc {
namespace {

/// "BGRx as dmabuf with modifier 0x300000000606014, 0x0 or in shared memory"
std::string describe(const FormatOffer& offer) {
  const auto with = std::ranges::find_if(offer.formats, [](const auto& entry) { return !entry.modifiers.empty(); });
  std::string text;
  if (with != offer.formats.end()) {
    text = fmt::format("dmabufs ({} with modifier {:#x})", name(with->format), fmt::join(with->modifiers, ", "));
  }
  if (offer.shared_memory) text += text.empty() ? "shared memory" : " or shared memory";
  return text;
}

FormatOffer without_dmabufs(FormatOffer offer) {
  for (FormatOffer::Entry& entry : offer.formats) entry.modifiers.clear();
  return offer;
}

}  // namespace

Result<void> OfferKeeper::after_import(const Error* error, Nanoseconds now) {
  const bool smaller = importer_->offer_version() != version_;
  const bool not_taken = error != nullptr && error->kind == ErrorKind::Unsupported;
  if (!smaller) {
    if (!not_taken) {
      if (error == nullptr) attempts_ = 0;
      return {};
    }
    if (now < not_before_) return {};
  }
  version_ = importer_->offer_version();
  if (!renegotiate_) return {};
  FormatOffer offer = importer_->offer();
  const auto any = [&](auto&& has) { return std::ranges::any_of(offer.formats, has); };
  if (offer.formats.empty() || (!offer.shared_memory && !any([](const auto& e) { return !e.modifiers.empty(); }))) {
    return fail(ErrorKind::Lost, "go on without a copy", "the GPU has refused everything the source can give");
  }
  // The source was asked, and still gives what is not taken: it knows no other dmabufs.
  if (!smaller && attempts_ > 0 && offer.shared_memory) offer = without_dmabufs(std::move(offer));
  ask(offer, now);
  return {};
}

void OfferKeeper::ask(const FormatOffer& offer, Nanoseconds now) {
  const bool news = attempts_ < 2;
  logger("session").log(news ? spdlog::level::warn : spdlog::level::debug, "asking the source for {}", describe(offer));
  if (auto asked = renegotiate_(offer); !asked) {
    logger("session").log(news ? spdlog::level::warn : spdlog::level::debug,
                          "the source does not change its format: {}", asked.error().message());
  }
  not_before_ = now + std::min(kLongestPatience, kFirstPatience * (1U << std::min(attempts_, 8U)));
  ++attempts_;
}

}  // namespace zc
