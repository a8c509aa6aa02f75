#include "config/setting_table.h"

#include "base/quote.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>

namespace zc {
namespace {

bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text, std::string_view example) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    ListenAddress address;
    address.host = text.substr(0, colon);
    if (address.host.starts_with('[') && address.host.ends_with(']')) {
      address.host = address.host.substr(1, address.host.size() - 2);
    }
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, address.port);
    if (error == std::errc{} && stop == end && address.port != 0 && is_address(address.host)) return address;
  }
  return fail(ErrorKind::Invalid, "address",
              fmt::format("{} is not ADDRESS:PORT with a numeric address, such as {}", in_quotes(text), example));
}

}  // namespace zc
