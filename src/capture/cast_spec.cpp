#include "capture/cast_spec.h"

#include "base/quote.h"
#include "capture/region.h"
#include "capture/spec_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace zc {
namespace {

constexpr std::uint32_t kLeastEdge = 16;     ///< px
constexpr std::uint32_t kMostEdge = 16'384;  ///< px: what video encoders take at most

using What = decltype(CastSpec::what);

std::unexpected<Error> invalid(std::string detail) {
  return fail(ErrorKind::Invalid, "read the source", std::move(detail));
}

Result<What> read_window(CastSpec::Desktop desktop, std::string_view text) {
  // Mutter counts its windows, KWin gives each a UUID.
  if (desktop == CastSpec::Desktop::Mutter && !parse_number<std::uint64_t>(text)) {
    return invalid(fmt::format("{} is not the number of a window of Mutter's", in_quotes(text)));
  }
  if (text.empty()) return invalid("'kwin:window:' names no window: it takes the UUID that KWin gives it");
  return CastSpec::Window{std::string(text)};
}

Result<What> read_area(CastSpec::Desktop /*desktop*/, std::string_view text) {
  auto place = parse_region(text);
  if (!place) return std::unexpected(std::move(place.error()));
  return CastSpec::Area{*place};
}

Result<What> read_virtual(CastSpec::Desktop /*desktop*/, std::string_view text) {
  const auto size = parse_size(text);
  const auto good = [](std::uint32_t edge) { return edge >= kLeastEdge && edge <= kMostEdge; };
  if (!size || !good(size->width) || !good(size->height)) {
    return invalid(fmt::format("{} is not the size of a new monitor, from {}x{} to {}x{}, such as 1280x720",
                               in_quotes(text), kLeastEdge, kLeastEdge, kMostEdge, kMostEdge));
  }
  return CastSpec::Virtual{*size};
}

struct Form {
  std::string_view word;
  Result<What> (*read)(CastSpec::Desktop desktop, std::string_view text);
};
constexpr std::array kForms = {Form{"window", read_window}, Form{"area", read_area}, Form{"virtual", read_virtual}};

std::string words_of(const CastSpec::Output& output) { return output.name; }
std::string words_of(const CastSpec::Window& window) { return "window:" + window.id; }
std::string words_of(const CastSpec::Area& area) { return "area:" + region_text(area.place); }
std::string words_of(const CastSpec::Virtual& monitor) {
  return fmt::format("virtual:{}x{}", monitor.size.width, monitor.size.height);
}

}  // namespace

std::string_view to_string(CastSpec::Desktop desktop) { return desktop == CastSpec::Desktop::KWin ? "kwin" : "mutter"; }

Result<CastSpec> parse_cast(CastSpec::Desktop desktop, std::string_view rest) {
  const bool printable = std::ranges::all_of(rest, [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
  if (!printable) return invalid("an output or a window has no control characters in its name");
  std::string_view text = rest;
  const std::string_view word = take_word(text, ':');
  for (const Form& form : kForms) {
    if (form.word != word) continue;
    auto what = form.read(desktop, text);
    if (!what) return std::unexpected(std::move(what.error()));
    return CastSpec{desktop, *std::move(what)};
  }
  if (word.size() < rest.size()) {
    return invalid(fmt::format("{} is not one of {}", in_quotes(fmt::format("{}:{}", to_string(desktop), rest)),
                               desktop == CastSpec::Desktop::KWin ? kKWinForm : kMutterForm));
  }
  return CastSpec{desktop, CastSpec::Output{std::string(rest)}};
}

std::string text_of(const CastSpec& spec) {
  const std::string words = std::visit([](const auto& what) { return words_of(what); }, spec.what);
  const std::string_view desktop = to_string(spec.desktop);
  return words.empty() ? std::string(desktop) : fmt::format("{}:{}", desktop, words);
}

}  // namespace zc
