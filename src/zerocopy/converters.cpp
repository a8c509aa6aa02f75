#include "zerocopy/converters.h"

#include <algorithm>

namespace zc {
namespace {

constexpr std::uint64_t kFirstRest = 64;
constexpr unsigned kMostDoublings = 6;

/// Tiled ones first, then LINEAR, INVALID at last.
int rank(std::uint64_t modifier) {
  if (modifier == kModifierInvalid) return 2;
  return modifier == kModifierLinear ? 1 : 0;
}

}  // namespace

void Converters::adopt(std::vector<std::unique_ptr<Converter>> converters) {
  ways_.clear();
  for (auto& converter : converters) ways_.push_back({.converter = std::move(converter)});
}

std::string_view Converters::first_name() const { return ways_.empty() ? "cpu" : ways_.front().converter->name(); }

bool Converters::lists(const Way& way, PixelFormat format, std::uint64_t modifier) const {
  if (modifier == kModifierInvalid && !implicit_) return false;
  const auto& listed = way.converter->modifiers(format);
  return std::ranges::find(listed, modifier) != listed.end();
}

bool Converters::reads(const Way& way, PixelFormat format, std::uint64_t modifier) const {
  return lists(way, format, modifier) &&
         std::ranges::find(way.refused, std::pair(format, modifier)) == way.refused.end();
}

std::vector<std::uint64_t> Converters::modifiers(PixelFormat format) const {
  std::vector<std::uint64_t> modifiers;
  for (const Way& way : ways_) {
    for (const std::uint64_t modifier : way.converter->modifiers(format)) {
      const bool known = std::ranges::find(modifiers, modifier) != modifiers.end();
      if (!known && lists(way, format, modifier)) modifiers.push_back(modifier);
    }
  }
  std::ranges::stable_sort(modifiers, {}, rank);
  return modifiers;
}

void Converters::add_to(FormatOffer& offer) const {
  for (const PixelFormatInfo& format : pixel_formats()) {
    std::vector<std::uint64_t> listed = modifiers(format.format);
    const auto entry = std::ranges::find(offer.formats, format.format, &FormatOffer::Entry::format);
    if (entry != offer.formats.end()) {
      entry->modifiers = std::move(listed);
    } else if (!listed.empty()) {
      offer.formats.push_back({format.format, std::move(listed)});
    }
  }
}

Converters::Way* Converters::pick(const PicturePlan& plan, std::uint64_t modifier, const Way* after) {
  const auto found = std::find_if(behind(after), ways_.end(), [&](const Way& way) {
    return way.resting_to <= picture_ && reads(way, plan.format, modifier) && way.converter->takes(plan);
  });
  return found == ways_.end() ? nullptr : &*found;
}

Converters::Way* Converters::pick_composing(const Way* after) {
  const auto found = std::find_if(behind(after), ways_.end(), [&](const Way& way) {
    return way.resting_to <= picture_ && way.converter->composes();
  });
  return found == ways_.end() ? nullptr : &*found;
}

bool Converters::read(const PicturePlan& plan, std::uint64_t modifier) const {
  return std::ranges::any_of(
      ways_, [&](const Way& way) { return reads(way, plan.format, modifier) && way.converter->takes(plan); });
}

bool Converters::refuse(Way& way, PixelFormat format, std::uint64_t modifier) {
  way.refused.emplace_back(format, modifier);
  return std::ranges::none_of(ways_, [&](const Way& other) { return reads(other, format, modifier); });
}

void Converters::ask_again(PixelFormat format, std::uint64_t modifier) {
  for (Way& way : ways_) std::erase(way.refused, std::pair(format, modifier));
}

std::uint64_t Converters::rest(Way& way) const {
  const std::uint64_t pictures = kFirstRest << std::min(way.failures, kMostDoublings);
  way.resting_to = picture_ + pictures;
  ++way.failures;
  return pictures;
}

Result<void> Converters::settle(Nanoseconds timeout) {
  for (const Way& way : ways_) {
    if (auto settled = way.converter->settle(timeout); !settled) return settled;
  }
  return {};
}

void Converters::forget_targets() {
  for (const Way& way : ways_) way.converter->forget_targets();
}

}  // namespace zc
