#include "output/output_text.h"

#include <fmt/format.h>

#include <utility>

namespace zc::output_text {
namespace {

constexpr std::string_view kOperation = "output";

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::unexpected<Error> invalid(std::string_view where, std::string detail) {
  return fail(ErrorKind::Invalid, where.empty() ? std::string(kOperation) : fmt::format("{} {}", kOperation, where),
              std::move(detail));
}

std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string out;
  for (const char c : text.substr(0, kLongest)) out += (c >= 0x20 && c != 0x7f) || c < 0 ? c : '?';
  if (text.size() > kLongest) out += "...";
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (out.find('\0') != std::string::npos) return std::nullopt;
  return out;
}

}  // namespace zc::output_text
