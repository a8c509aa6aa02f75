// What reads the text of outputs. Private to output_spec.h's parser.
#pragma once

#include "base/error.h"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace zc::output_text {

inline constexpr std::string_view kSchemes =
    "udp://HOST:PORT, tcp://HOST:PORT, srt://HOST:PORT, rtmp://HOST/APP, rtmps://HOST/APP, rtp://HOST:PORT, "
    "rtsp://HOST/PATH, hls:///FOLDER, unix:///PATH, camera:NAME, a file path or -";
inline constexpr std::string_view kCamera = "camera:";

/// ErrorKind::Invalid; `where`: the output, empty where it is not known.
[[nodiscard]] std::unexpected<Error> invalid(std::string_view where, std::string detail);

[[nodiscard]] inline bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
[[nodiscard]] inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// What came in, fit to be shown: a foreign text may hold control bytes or be very long.
[[nodiscard]] std::string shown(std::string_view text);

template <class Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// RFC 3986 section 2.1; nullopt on a lone '%' or an embedded NUL.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

}  // namespace zc::output_text
