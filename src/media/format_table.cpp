#include "media/format_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace zc {

void FormatTable::set_readable(FormatOffer readable) {
  if (deep_first_) {
    std::ranges::stable_partition(readable.formats,
                                  [](const FormatOffer::Entry& entry) { return info(entry.format).bits > 8; });
  }
  if (readable == readable_) return;
  readable_ = std::move(readable);
  if (!due_) reason_ = "what can be read has changed";
  due_ = true;
}

void FormatTable::limit_rate(std::optional<Rational> most) {
  if (most && most->zero()) most.reset();
  if (most == most_) return;
  most_ = most;
  if (!due_) reason_ = "another rate is wanted";
  due_ = true;
}

void FormatTable::add(const std::optional<Refusal::Pair>& pair, Nanoseconds now) {
  auto known = std::ranges::find(refusals_, pair, &Refusal::pair);
  if (known == refusals_.end()) {
    refusals_.push_back({.pair = pair});
    known = std::prev(refusals_.end());
  }
  known->back_off = std::clamp(known->back_off * 2, kFirstBackOff, kLongestBackOff);
  known->until = now + known->back_off;
}

void FormatTable::refuse(PixelFormat format, std::uint64_t modifier, std::string_view why, Nanoseconds now) {
  if (offered(format, modifier, now)) {
    add(Refusal::Pair{format, modifier}, now);
    reason_ = why;
    due_ = true;
    return;
  }
  if (due_ || now < not_before_) return;  // told already, or under way since before
  const bool knows_no_other = attempts_ > 0 && readable_.shared_memory && offer(now).has_dmabufs();
  if (knows_no_other) return refuse_dmabufs(why, now);
  ask_again(why, now);
}

void FormatTable::refuse_dmabufs(std::string_view why, Nanoseconds now) {
  add(std::nullopt, now);
  reason_ = why;
  due_ = true;
}

void FormatTable::not_taken(std::string_view why, Nanoseconds now) { ask_again(why, now); }

void FormatTable::ask_again(std::string_view why, Nanoseconds now) {
  if (now < not_before_) return;
  reason_ = why;
  due_ = true;
}

void FormatTable::taken(PixelFormat format, std::optional<std::uint64_t> modifier, Nanoseconds now) {
  attempts_ = 0;
  if (!modifier || refusals_.empty()) return;
  // It was tried again, and has held for as long as it had been out.
  std::erase_if(refusals_, [&](const Refusal& refusal) {
    const bool of_it = !refusal.pair || *refusal.pair == Refusal::Pair{format, *modifier};
    return of_it && now >= refusal.until + refusal.back_off;
  });
}

bool FormatTable::offered(PixelFormat format, std::uint64_t modifier, Nanoseconds now) const {
  const bool refused = std::ranges::any_of(refusals_, [&](const Refusal& refusal) {
    return now < refusal.until && (!refusal.pair || *refusal.pair == Refusal::Pair{format, modifier});
  });
  return !refused && readable_.has(format, modifier);
}

FormatOffer FormatTable::offer(Nanoseconds now) const {
  FormatOffer offer = readable_;
  if (most_) offer.max_rate = *most_;
  for (const Refusal& refusal : refusals_) {
    if (now >= refusal.until) continue;
    if (refusal.pair) {
      offer.drop(refusal.pair->format, {&refusal.pair->modifier, 1});
    } else {
      offer.drop_dmabufs();
    }
  }
  return offer;
}

FormatOffer FormatTable::begin(Nanoseconds now) {
  attempts_ = 0;
  not_before_ = {};
  due_ = false;
  made_ = offer(now);
  next_expiry_ = Nanoseconds::max();
  for (const Refusal& refusal : refusals_) {
    if (now < refusal.until) next_expiry_ = std::min(next_expiry_, refusal.until);
  }
  return made_;
}

std::optional<FormatOffer> FormatTable::next(Nanoseconds now) {
  if (!due_ && now < next_expiry_) return std::nullopt;
  const unsigned attempts = attempts_;
  const bool due = due_;
  const FormatOffer before = std::exchange(made_, {});
  static_cast<void>(begin(now));
  attempts_ = attempts;
  // What has expired may not be readable any more.
  if (!due && made_ == before) return std::nullopt;
  if (!due) reason_ = "what was refused is tried again";
  not_before_ = now + std::min(kLongestPatience, kFirstPatience * (1U << std::min(attempts_, 8U)));
  ++attempts_;
  return made_;
}

}  // namespace zc
