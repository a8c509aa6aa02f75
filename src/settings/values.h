// The words of the command line as values. Pure functions on untrusted text: one line of error that names the option
// and what is valid, nothing thrown.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/quote.h"
#include "encode/settings.h"
#include "media/geometry.h"
#include "media/hdr.h"
#include "output/output_spec.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {

inline constexpr std::uint32_t kMinEdgePx = 16;
inline constexpr std::uint32_t kMaxEdgePx = 16'384;
inline constexpr unsigned kMaxFps = 1000;
inline constexpr unsigned kMaxSeconds = 31 * 24 * 3600;

/// `option` opens every message: "--size". All of `text` must fit.

/// "1280x720", each edge even and from kMinEdgePx to kMaxEdgePx: a size to code.
[[nodiscard]] Result<Size> size_value(std::string_view option, std::string_view text);
/// "1280x720+100+50": each edge kMinEdgePx to kMaxEdgePx, offsets from the top left corner, none negative.
[[nodiscard]] Result<Rect> crop_value(std::string_view option, std::string_view text);
/// "100,50 1280x720", as slurp prints it: each edge kMinEdgePx to kMaxEdgePx, anywhere on a desktop.
[[nodiscard]] Result<Rect> region_value(std::string_view option, std::string_view text);
/// "60", "59.94" or "30000/1001", from 1 to kMaxFps.
[[nodiscard]] Result<Rational> rate_value(std::string_view option, std::string_view text);
/// Like rate_value(), but down to 0.01, and "0" is 0/1: none.
[[nodiscard]] Result<Rational> min_rate_value(std::string_view option, std::string_view text);
/// "30min", "2GiB" or both, joined by a comma: s, min, h; MB, GB (powers of 1000), MiB, GiB (of 1024). From a second
/// and a megabyte on.
[[nodiscard]] Result<SplitLimit> split_value(std::string_view option, std::string_view text);
/// "6000000", "800k", "2.5M" in bit/s (k = 1000, M = 1,000,000), by default within what video encoders are asked.
[[nodiscard]] Result<std::int64_t> bit_rate_value(std::string_view option, std::string_view text,
                                                  std::int64_t min = kMinBitRate, std::int64_t max = kMaxBitRate);
/// "10", "0.5": more than 0, at most `max_seconds`, to the millisecond.
[[nodiscard]] Result<Nanoseconds> seconds_value(std::string_view option, std::string_view text,
                                                unsigned max_seconds = kMaxSeconds);
/// A decimal number from `min` to `max`.
[[nodiscard]] Result<unsigned> number_value(std::string_view option, std::string_view text, unsigned min, unsigned max);
/// "KEY=VALUE"; the key is not empty, the value may be.
[[nodiscard]] Result<std::pair<std::string, std::string>> key_value(std::string_view option, std::string_view text);
/// "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)": the units of MasteringDisplay.
[[nodiscard]] Result<MasteringDisplay> mastering_value(std::string_view option, std::string_view text);
/// "1000,400": MaxCLL and MaxFALL, each up to 65535.
[[nodiscard]] Result<ContentLight> light_value(std::string_view option, std::string_view text);
/// A name that is safe as part of a file name: letters, digits, '.', '_' and '-', not starting with '.', 64 at most.
[[nodiscard]] Result<std::string> name_value(std::string_view option, std::string_view text);
/// Names joined by commas, at least one.
[[nodiscard]] Result<std::vector<std::string>> list_value(std::string_view option, std::string_view text);

/// One word of a closed list and what it stands for.
template <class T>
struct Choice {
  std::string_view word;
  T value;
};

template <class T, std::size_t Count>
[[nodiscard]] constexpr std::array<std::string_view, Count> words(const std::array<Choice<T>, Count>& table) {
  std::array<std::string_view, Count> result{};
  for (std::size_t i = 0; i < Count; ++i) result.at(i) = table.at(i).word;
  return result;
}

template <class T, std::size_t Count>
[[nodiscard]] Result<T> choice_value(std::string_view option, std::string_view text,
                                     const std::array<Choice<T>, Count>& table) {
  for (const Choice<T>& choice : table) {
    if (choice.word == text) return choice.value;
  }
  return fail(ErrorKind::Invalid, std::string(option),
              fmt::format("{} is not one of {}", in_quotes(text), fmt::join(words(table), ", ")));
}

}  // namespace zc
