#include "capture/spec_text.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <numeric>

namespace zc {

std::optional<Size> parse_size(std::string_view text) {
  const std::size_t cross = text.find('x');
  if (cross == std::string_view::npos) return std::nullopt;
  const auto width = parse_number<std::uint32_t>(text.substr(0, cross));
  const auto height = parse_number<std::uint32_t>(text.substr(cross + 1));
  if (!width || !height) return std::nullopt;
  return Size{*width, *height};
}

std::optional<Rational> parse_rate(std::string_view text) {
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    const auto num = parse_number<std::uint32_t>(text.substr(0, slash));
    const auto den = parse_number<std::uint32_t>(text.substr(slash + 1));
    if (!num || !den || *num == 0 || *den == 0) return std::nullopt;
    const std::uint32_t common = std::gcd(*num, *den);
    return Rational{*num / common, *den / common};
  }
  const std::size_t point = text.find('.');
  const auto whole = parse_number<std::uint32_t>(text.substr(0, point));
  if (!whole) return std::nullopt;
  std::uint64_t num = *whole;
  std::uint64_t den = 1;
  if (point != std::string_view::npos) {
    const std::string_view decimals = text.substr(point + 1);
    const auto fraction = parse_number<std::uint32_t>(decimals);
    if (!fraction || decimals.size() > 3) return std::nullopt;
    for (std::size_t i = 0; i < decimals.size(); ++i) den *= 10;
    num = num * den + *fraction;
  }
  if (num == 0) return std::nullopt;
  const std::uint64_t common = std::gcd(num, den);
  num /= common;
  if (num > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return Rational{static_cast<std::uint32_t>(num), static_cast<std::uint32_t>(den / common)};
}

std::string rate_text(Rational rate) {
  return rate.den == 1 ? fmt::format("{}", rate.num) : fmt::format("{}/{}", rate.num, rate.den);
}

std::optional<Nanoseconds> parse_time(std::string_view text) {
  constexpr std::uint64_t kDay = 24 * 60 * 60;
  std::string_view fraction;
  if (const std::size_t point = text.find('.'); point != std::string_view::npos) {
    fraction = text.substr(point + 1);
    text = text.substr(0, point);
    if (fraction.empty() || fraction.size() > 9) return std::nullopt;
  }
  std::uint64_t seconds = 0;
  for (int part = 0; !text.empty() || part == 0; ++part) {
    const bool more = text.find(':') != std::string_view::npos;
    const std::string_view word = take_word(text, ':');
    const auto value = parse_number<std::uint64_t>(word);
    if (!value || part > 2 || *value > kDay || (part > 0 && *value >= 60) || (more && text.empty()))
      return std::nullopt;
    seconds = seconds * 60 + *value;
  }
  if (seconds >= kDay) return std::nullopt;
  std::uint64_t nanoseconds = 0;
  if (!fraction.empty()) {
    const auto value = parse_number<std::uint64_t>(fraction);
    if (!value) return std::nullopt;
    nanoseconds = *value;
    for (std::size_t i = fraction.size(); i < 9; ++i) nanoseconds *= 10;
  }
  return std::chrono::seconds(seconds) + Nanoseconds(nanoseconds);
}

std::string time_text(Nanoseconds time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::string text = fmt::format("{}", time.count() / kSecond);
  if (time.count() % kSecond == 0) return text;
  text += fmt::format(".{:09}", time.count() % kSecond);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

std::string_view take_word(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view word = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return word;
}

}  // namespace zc
