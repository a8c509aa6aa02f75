#include "base/quote.h"

#include <cctype>

namespace zc {
namespace {

constexpr std::size_t kLongest = 80;

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

}  // namespace

std::string in_quotes(std::string_view text) {
  std::size_t length = text.size();
  if (length > kLongest) {
    length = kLongest;
    while (length > 0 && continues_character(text[length])) --length;
  }
  std::string result = "'";
  for (const char c : text.substr(0, length)) result += std::iscntrl(static_cast<unsigned char>(c)) != 0 ? '?' : c;
  result += length < text.size() ? "...'" : "'";
  return result;
}

}  // namespace zc
