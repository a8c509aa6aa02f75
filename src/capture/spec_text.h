// Small readers for the words of a source's text. All take untrusted text and never throw.
#pragma once

#include "base/clock.h"
#include "media/geometry.h"

#include <charconv>
#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace zc {

/// The whole of `text` as a decimal number; no sign, no blanks.
template <std::unsigned_integral Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const std::span all(text);
  const char* end = all.data() + all.size();
  const auto [rest, error] = std::from_chars(all.data(), end, value);
  if (error != std::errc{} || rest != end || text.empty()) return std::nullopt;
  return value;
}

/// "1280x720".
[[nodiscard]] std::optional<Size> parse_size(std::string_view text);
/// "60", "59.94" (up to three decimals) or "30000/1001", in lowest terms; nullopt when zero.
[[nodiscard]] std::optional<Rational> parse_rate(std::string_view text);
/// The shortest form that parse_rate() reads back: "60", "30000/1001".
[[nodiscard]] std::string rate_text(Rational rate);

/// "90", "12.5", "1:30", "1:02:03.25": seconds, minutes and hours; nullopt: none, or a day and more.
[[nodiscard]] std::optional<Nanoseconds> parse_time(std::string_view text);

/// In seconds, as parse_time() reads it back.
[[nodiscard]] std::string time_text(Nanoseconds time);

/// Takes the part before the first `separator` off the front of `text`; the separator goes too. All of it if there is
/// none.
[[nodiscard]] std::string_view take_word(std::string_view& text, char separator);

}  // namespace zc
