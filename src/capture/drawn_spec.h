// Sources of our own pictures: an image, a text, a clock.
#pragma once

#include "base/error.h"
#include "drawing/text_style.h"

#include <string>
#include <string_view>

namespace zc {

/// `image:FILE`: a PNG file.
struct ImageSpec {
  std::string path;
  bool operator==(const ImageSpec&) const = default;
};

/// `text:TEXT[,px=N][,color=RRGGBB[AA]][,background=RRGGBB[AA]][,font=NAME]`; "\n" in the text begins a new line.
struct TextSpec {
  std::string text;  ///< as it was typed
  TextStyle style;
  bool operator==(const TextSpec&) const = default;
};

/// `clock[:FORMAT]...`, the options as those of text: the local time, in strftime's words.
struct ClockSpec {
  std::string format = "%H:%M:%S";
  TextStyle style;
  bool operator==(const ClockSpec&) const = default;
};

inline constexpr std::string_view kImageForm = "image:FILE.png";
inline constexpr std::string_view kTextForm = "text:TEXT[,px=32][,color=ffffff][,background=00000080][,font=NAME]";
inline constexpr std::string_view kClockForm = "clock[:%H:%M:%S]";

// Each reads what follows the first colon; Invalid names the wrong part.
[[nodiscard]] Result<ImageSpec> parse_image_spec(std::string_view rest);
[[nodiscard]] Result<TextSpec> parse_text_spec(std::string_view rest);
[[nodiscard]] Result<ClockSpec> parse_clock_spec(std::string_view rest);

// What these read back as the same.
[[nodiscard]] std::string text_of(const ImageSpec& spec);
[[nodiscard]] std::string text_of(const TextSpec& spec);
[[nodiscard]] std::string text_of(const ClockSpec& spec);

}  // namespace zc
