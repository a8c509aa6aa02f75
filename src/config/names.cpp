#include "config/names.h"

#include "base/quote.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc {
namespace {

constexpr std::size_t kMaxName = 64;

bool good_letter(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
         letter == '-' || letter == '_';
}

}  // namespace

Result<void> check_session_name(std::string_view name) {
  if (!name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, good_letter)) return {};
  return fail(ErrorKind::Invalid, "name",
              fmt::format("{} is no session's name: 1 to {} letters, digits, '-' and '_'", in_quotes(name), kMaxName));
}

}  // namespace zc
