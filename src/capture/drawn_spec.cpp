#include "capture/drawn_spec.h"

#include "base/quote.h"
#include "capture/spec_text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

namespace zc {
namespace {

std::unexpected<Error> invalid(std::string detail) {
  return fail(ErrorKind::Invalid, "read the source", std::move(detail));
}

/// "ffffff" or "ffffff80".
std::optional<std::uint32_t> colour(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() == 6) return value << 8U | 0xffU;
  return text.size() == 8 ? std::optional(value) : std::nullopt;
}

Result<void> read_px(std::string_view value, TextStyle& style) {
  const auto px = parse_number<std::uint32_t>(value);
  if (!px || *px < TextStyle::kMinPx || *px > TextStyle::kMaxPx) {
    return invalid(
        fmt::format("px={} is not a size from {} to {}", in_quotes(value), TextStyle::kMinPx, TextStyle::kMaxPx));
  }
  style.px = *px;
  return {};
}
Result<void> read_colour(std::string_view value, std::uint32_t& place) {
  const auto read = colour(value);
  if (!read) return invalid(fmt::format("{} is not a colour, RRGGBB or RRGGBBAA", in_quotes(value)));
  place = *read;
  return {};
}
Result<void> read_text_colour(std::string_view value, TextStyle& style) { return read_colour(value, style.colour); }
Result<void> read_background(std::string_view value, TextStyle& style) { return read_colour(value, style.background); }
Result<void> read_font(std::string_view value, TextStyle& style) {
  if (value.empty()) return invalid("font= names no font");
  style.font = value;
  return {};
}

struct StyleRow {
  std::string_view key;
  Result<void> (*read)(std::string_view value, TextStyle& style);
};
constexpr std::array kStyle{StyleRow{",px=", read_px}, StyleRow{",color=", read_text_colour},
                            StyleRow{",background=", read_background}, StyleRow{",font=", read_font}};

/// Takes the style off the end of `text`, which may have commas of its own; what is before it.
Result<std::string_view> take_style(std::string_view text, TextStyle& style) {
  while (true) {
    const StyleRow* last = nullptr;
    std::size_t at = 0;
    for (const StyleRow& row : kStyle) {
      const std::size_t found = text.rfind(row.key);
      if (found != std::string_view::npos && (last == nullptr || found > at)) {
        last = &row;
        at = found;
      }
    }
    if (last == nullptr) return text;
    if (auto read = last->read(text.substr(at + last->key.size()), style); !read) {
      return std::unexpected(std::move(read.error()));
    }
    text = text.substr(0, at);
  }
}

std::string style_text(const TextStyle& style) {
  const TextStyle usual;
  std::string text;
  if (style.px != usual.px) text += fmt::format(",px={}", style.px);
  if (style.colour != usual.colour) text += fmt::format(",color={:08x}", style.colour);
  if (style.background != usual.background) text += fmt::format(",background={:08x}", style.background);
  if (style.font != usual.font) text += fmt::format(",font={}", style.font);
  return text;
}

}  // namespace

Result<ImageSpec> parse_image_spec(std::string_view rest) {
  if (rest.empty()) return invalid(fmt::format("'image:' names no file; its form is {}", kImageForm));
  return ImageSpec{std::string(rest)};
}

Result<TextSpec> parse_text_spec(std::string_view rest) {
  TextSpec spec;
  const auto text = take_style(rest, spec.style);
  if (!text) return std::unexpected(text.error());
  if (text->empty()) return invalid(fmt::format("'text:' has no text; its form is {}", kTextForm));
  spec.text = *text;
  return spec;
}

Result<ClockSpec> parse_clock_spec(std::string_view rest) {
  ClockSpec spec;
  const auto format = take_style(rest, spec.style);
  if (!format) return std::unexpected(format.error());
  if (!format->empty()) spec.format = *format;
  return spec;
}

std::string text_of(const ImageSpec& spec) { return "image:" + spec.path; }
std::string text_of(const TextSpec& spec) { return "text:" + spec.text + style_text(spec.style); }
std::string text_of(const ClockSpec& spec) {
  const std::string style = style_text(spec.style);
  if (spec.format == ClockSpec{}.format && style.empty()) return "clock";
  return "clock:" + spec.format + style;
}

}  // namespace zc
