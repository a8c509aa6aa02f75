#include "settings/values.h"

#include "capture/region.h"
#include "capture/source_spec.h"
#include "capture/spec_text.h"
#include "encode/settings.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <tuple>

namespace zc {
namespace {

std::unexpected<Error> invalid(std::string_view option, std::string detail) {
  return fail(ErrorKind::Invalid, std::string(option), std::move(detail));
}

/// A decimal number without sign or exponent, scaled by 10^decimals; more fraction digits than that are refused.
std::optional<std::uint64_t> parse_decimal(std::string_view text, unsigned decimals) {
  const std::size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  const std::string_view fraction = dot == std::string_view::npos ? std::string_view{} : text.substr(dot + 1);
  if (whole.empty() || whole.size() > 10 || fraction.size() > decimals) return std::nullopt;
  if (dot != std::string_view::npos && fraction.empty()) return std::nullopt;
  std::string digits(whole);
  digits.append(fraction).append(decimals - fraction.size(), '0');
  return parse_number<std::uint64_t>(digits);
}

bool good_edges(Size size) {
  return size.width >= kMinEdgePx && size.width <= kMaxEdgePx && size.height >= kMinEdgePx && size.height <= kMaxEdgePx;
}

std::unexpected<Error> bad_edges(std::string_view option, Size size) {
  return invalid(option, fmt::format("{}x{} is outside {}x{} to {}x{}", size.width, size.height, kMinEdgePx, kMinEdgePx,
                                     kMaxEdgePx, kMaxEdgePx));
}

constexpr std::int64_t kMilli = 1'000;

}  // namespace

Result<Size> size_value(std::string_view option, std::string_view text) {
  const auto size = parse_size(text);
  if (!size) return invalid(option, fmt::format("{} is not WIDTHxHEIGHT, such as 1280x720", in_quotes(text)));
  if (!good_edges(*size)) return bad_edges(option, *size);
  if (*size != encodable_size(*size)) {
    return invalid(option, fmt::format("{}x{} is odd; width and height must be even", size->width, size->height));
  }
  return *size;
}

Result<Rect> crop_value(std::string_view option, std::string_view text) {
  std::string_view rest = text;
  const bool two_offsets = std::ranges::count(text, '+') == 2;
  const auto size = parse_size(take_word(rest, '+'));
  const auto x = parse_number<std::uint32_t>(take_word(rest, '+'));
  const auto y = parse_number<std::uint32_t>(rest);
  if (!two_offsets || !size || !x || !y) {
    return invalid(option, fmt::format("{} is not WIDTHxHEIGHT+X+Y, such as 1280x720+100+50", in_quotes(text)));
  }
  if (!good_edges(*size)) return bad_edges(option, *size);
  if (*x > kMaxEdgePx || *y > kMaxEdgePx) {
    return invalid(option, fmt::format("its offset +{}+{} is beyond +{}+{}", *x, *y, kMaxEdgePx, kMaxEdgePx));
  }
  return Rect{static_cast<std::int32_t>(*x), static_cast<std::int32_t>(*y), size->width, size->height};
}

Result<Rect> region_value(std::string_view option, std::string_view text) {
  auto region = parse_region(text);
  if (!region) {
    region.error().operation = option;
    return region;
  }
  if (!good_edges(region->size())) return bad_edges(option, region->size());
  return region;
}

Result<Rational> rate_value(std::string_view option, std::string_view text) {
  const auto rate = parse_rate(text);
  if (!rate || !TestSpec::good_rate(*rate) || rate->num < rate->den) {
    return invalid(
        option, fmt::format("{} is not a frame rate from 1 to {}, such as 60 or 30000/1001", in_quotes(text), kMaxFps));
  }
  return *rate;
}

Result<Rational> min_rate_value(std::string_view option, std::string_view text) {
  if (text == "0") return Rational{0, 1};
  const auto rate = parse_rate(text);
  if (!rate || !TestSpec::good_rate(*rate)) {
    return invalid(option, fmt::format("{} is not 0 (off) or a frame rate from 0.01 to {}", in_quotes(text), kMaxFps));
  }
  return *rate;
}

Result<std::int64_t> bit_rate_value(std::string_view option, std::string_view text, std::int64_t min,
                                    std::int64_t max) {
  struct Suffix {
    char letter;
    unsigned decimals;
  };
  constexpr std::array kSuffixes{Suffix{'k', 3}, Suffix{'K', 3}, Suffix{'M', 6}};
  std::string_view number = text;
  unsigned decimals = 0;
  for (const Suffix& suffix : kSuffixes) {
    if (!text.ends_with(suffix.letter)) continue;
    number.remove_suffix(1);
    decimals = suffix.decimals;
  }
  const auto rate = parse_decimal(number, decimals);
  if (!rate) {
    return invalid(option, fmt::format("{} is not a bit rate, such as 6M, 800k or 6000000", in_quotes(text)));
  }
  if (*rate < static_cast<std::uint64_t>(min) || *rate > static_cast<std::uint64_t>(max)) {
    const std::string most = max < 10'000'000 ? fmt::format("{}k", max / 1'000) : fmt::format("{}M", max / 1'000'000);
    return invalid(option, fmt::format("{} is outside {}k to {} bit/s", in_quotes(text), min / 1'000, most));
  }
  return static_cast<std::int64_t>(*rate);
}

Result<SplitLimit> split_value(std::string_view option, std::string_view text) {
  struct Unit {
    std::string_view name;
    std::uint64_t of;  ///< milliseconds, or bytes
    bool time;
  };
  // The longer of two that end alike first.
  static constexpr std::array kUnits{Unit{"min", 60'000, true},
                                     Unit{"s", 1000, true},
                                     Unit{"h", 3'600'000, true},
                                     Unit{"MiB", std::uint64_t{1} << 20U, false},
                                     Unit{"GiB", std::uint64_t{1} << 30U, false},
                                     Unit{"MB", 1'000'000, false},
                                     Unit{"GB", 1'000'000'000, false}};
  constexpr std::uint64_t kMostMilliseconds = std::uint64_t{kMaxSeconds} * kMilli;
  SplitLimit limit;
  std::string_view rest = text;
  bool more = true;
  while (more) {
    const std::size_t comma = rest.find(',');
    std::string_view one = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    rest = more ? rest.substr(comma + 1) : std::string_view{};
    const auto unit = std::ranges::find_if(kUnits, [&](const Unit& u) { return one.ends_with(u.name); });
    if (unit != kUnits.end()) one.remove_suffix(unit->name.size());
    const auto thousandths = unit == kUnits.end() ? std::nullopt : parse_decimal(one, 3);
    const bool twice = thousandths && (unit->time ? limit.time.count() > 0 : limit.bytes > 0);
    if (!thousandths || twice) {
      return invalid(option, fmt::format("{} is not a time or a size such as 30min, 2h, 700MB, 2GiB or 30min,2GiB",
                                         in_quotes(text)));
    }
    const bool small = *thousandths < std::numeric_limits<std::uint64_t>::max() / unit->of;
    const std::uint64_t value = small ? *thousandths * unit->of / 1000 : 0;
    if (unit->time ? value < 1000 || value > kMostMilliseconds : value < 1'000'000) {
      return invalid(option, fmt::format("{} is not at least a second or a megabyte, and at most {} days",
                                         in_quotes(text), kMaxSeconds / 86'400));
    }
    if (unit->time) limit.time = std::chrono::milliseconds(static_cast<std::int64_t>(value));
    if (!unit->time) limit.bytes = value;
  }
  return limit;
}

Result<Nanoseconds> seconds_value(std::string_view option, std::string_view text, unsigned max_seconds) {
  const auto milliseconds = parse_decimal(text, 3);
  if (!milliseconds || *milliseconds == 0 || *milliseconds > std::uint64_t{max_seconds} * kMilli) {
    return invalid(
        option, fmt::format("{} is not a number of seconds, more than 0 and at most {}", in_quotes(text), max_seconds));
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(*milliseconds));
}

Result<unsigned> number_value(std::string_view option, std::string_view text, unsigned min, unsigned max) {
  const auto number = parse_number<unsigned>(text);
  if (!number || *number < min || *number > max) {
    return invalid(option, fmt::format("{} is not a whole number from {} to {}", in_quotes(text), min, max));
  }
  return *number;
}

Result<std::pair<std::string, std::string>> key_value(std::string_view option, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return invalid(option, fmt::format("{} is not KEY=VALUE, such as tune=film", in_quotes(text)));
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

Result<MasteringDisplay> mastering_value(std::string_view option, std::string_view text) {
  constexpr std::uint32_t kMostChromaticity = 50'000;
  constexpr std::uint32_t kMostLuminance = 100'000'000;  // 10,000 cd/m2, the most that PQ has
  std::string_view rest = text;
  bool good = true;
  // "NAME(a,b)" at the front of the rest.
  const auto pair = [&](std::string_view name, std::uint32_t most) -> std::pair<std::uint32_t, std::uint32_t> {
    good = good && rest.starts_with(name) && rest.substr(name.size()).starts_with('(');
    if (!good) return {};
    rest.remove_prefix(name.size() + 1);
    std::string_view numbers = take_word(rest, ')');
    const auto first = parse_number<std::uint32_t>(take_word(numbers, ','));
    const auto second = parse_number<std::uint32_t>(numbers);
    good = first && second && *first <= most && *second <= most;
    return good ? std::pair(*first, *second) : std::pair<std::uint32_t, std::uint32_t>{};
  };
  const auto point = [&](std::string_view name) {
    const auto [x, y] = pair(name, kMostChromaticity);
    return Chromaticity{x, y};
  };
  MasteringDisplay display;
  display.green = point("G");
  display.blue = point("B");
  display.red = point("R");
  display.white = point("WP");
  std::tie(display.max_luminance, display.min_luminance) = pair("L", kMostLuminance);
  if (!good || !rest.empty()) {
    return invalid(option, fmt::format("{} is not G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min) with x and y up to {} and "
                                       "luminances up to {}",
                                       in_quotes(text), kMostChromaticity, kMostLuminance));
  }
  return display;
}

Result<ContentLight> light_value(std::string_view option, std::string_view text) {
  std::string_view rest = text;
  const auto most = parse_number<std::uint16_t>(take_word(rest, ','));
  const auto average = parse_number<std::uint16_t>(rest);
  if (!most || !average) {
    return invalid(option, fmt::format("{} is not MAXCLL,MAXFALL, such as 1000,400", in_quotes(text)));
  }
  return ContentLight{*most, *average};
}

Result<std::string> name_value(std::string_view option, std::string_view text) {
  constexpr std::size_t kLongest = 64;
  const bool good =
      !text.empty() && text.size() <= kLongest && text.front() != '.' && std::ranges::all_of(text, [](unsigned char c) {
        return c < 0x80 && (std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-');
      });
  if (!good) {
    return invalid(option, fmt::format("{} is not a name: 1 to {} letters, digits, '.', '_' or '-', no leading '.'",
                                       in_quotes(text), kLongest));
  }
  return std::string(text);
}

Result<std::vector<std::string>> list_value(std::string_view option, std::string_view text) {
  std::vector<std::string> names;
  while (true) {
    const std::size_t comma = text.find(',');
    auto name = name_value(option, text.substr(0, comma));
    if (!name) return std::unexpected(std::move(name.error()));
    names.push_back(*std::move(name));
    if (comma == std::string_view::npos) return names;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace zc
