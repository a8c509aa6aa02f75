#include "capture/region.h"

#include "base/quote.h"
#include "capture/spec_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace zc {
namespace {

/// Wayland's coordinates are 24 bits; a video's edges far less.
constexpr std::int32_t kFarthest = 1 << 20;
constexpr std::uint32_t kMostEdge = 16'384;  // px

std::optional<std::int32_t> parse_coordinate(std::string_view text) {
  const bool negative = text.starts_with('-');
  const auto size = parse_number<std::uint32_t>(text.substr(negative ? 1 : 0));
  if (!size || *size > static_cast<std::uint32_t>(kFarthest)) return std::nullopt;
  const auto at = static_cast<std::int32_t>(*size);
  return negative ? -at : at;
}

struct Span {
  std::int64_t from = 0;
  std::int64_t to = 0;
};

/// `span` of `length` logical px, in a picture's `px`: outwards to whole pixels.
Span scaled(Span span, std::uint32_t length, std::uint32_t px) {
  const std::int64_t whole = length;
  return {span.from * px / whole, std::min<std::int64_t>((span.to * px + whole - 1) / whole, px)};
}

}  // namespace

Result<Rect> parse_region(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return fail(
        ErrorKind::Invalid, "read the region",
        fmt::format("{} {}; the form is slurp's, 'X,Y WIDTHxHEIGHT', such as '100,50 1280x720'", in_quotes(text), why));
  };
  std::string_view rest = text;
  const auto x = parse_coordinate(take_word(rest, ','));
  const auto y = parse_coordinate(take_word(rest, ' '));
  const auto size = parse_size(rest);
  if (!x || !y || !size) return wrong("is not a region");
  if (size->empty()) return wrong("is empty");
  if (size->width > kMostEdge || size->height > kMostEdge) return wrong("is larger than any desktop");
  return Rect{*x, *y, size->width, size->height};
}

std::string region_text(const Rect& region) {
  return fmt::format("{},{} {}x{}", region.x, region.y, region.width, region.height);
}

Rect region_in_picture(const Rect& region, const Rect& place, Size shown) {
  const Rect part = intersect(region, place);
  if (part.empty() || shown.empty()) return {};
  const std::int64_t left = std::int64_t{part.x} - place.x;
  const std::int64_t top = std::int64_t{part.y} - place.y;
  const Span x = scaled({left, left + part.width}, place.width, shown.width);
  const Span y = scaled({top, top + part.height}, place.height, shown.height);
  return {static_cast<std::int32_t>(x.from), static_cast<std::int32_t>(y.from),
          static_cast<std::uint32_t>(x.to - x.from), static_cast<std::uint32_t>(y.to - y.from)};
}

bool crop_to_region(Frame& frame, const Rect& region, const Rect& place) {
  const Size buffer = frame.buffer_size();
  const Rect whole{0, 0, buffer.width, buffer.height};
  const Rect visible = frame.crop.empty() ? whole : intersect(frame.crop, whole);
  const Rect wanted = region_in_picture(region, place, frame.visible_size());
  if (wanted.empty()) return false;
  const Rect inside = source_rect(frame.transform, visible.size(), wanted);
  const Rect crop{visible.x + inside.x, visible.y + inside.y, inside.width, inside.height};
  frame.crop = crop == whole ? Rect{} : crop;
  return true;
}

}  // namespace zc
