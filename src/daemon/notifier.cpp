#include "daemon/notifier.h"

#include "daemon/bus_values.h"

#include <cstdint>
#include <string_view>

namespace zc::daemon {

namespace {

/// The body is markup (Desktop Notifications Specification): what is none must not look like it.
std::string plain(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      default: result += c;
    }
  }
  return result;
}

}  // namespace

void notify_user(sd_bus* bus, const std::string& summary, const std::string& body) {
  if (bus == nullptr) return;
  constexpr std::int32_t kDefaultTime = -1;
  const auto ignore = [](sd_bus_message*, void*, sd_bus_error*) { return 0; };
  sd_bus_call_method_async(bus, nullptr, "org.freedesktop.Notifications", "/org/freedesktop/Notifications",
                           "org.freedesktop.Notifications", "Notify", ignore, nullptr, "susssasa{sv}i", "zerocast",
                           std::uint32_t{0}, "media-record", bus::good_text(summary).c_str(),
                           plain(bus::good_text(body)).c_str(), 0, 0, kDefaultTime);
}

}  // namespace zc::daemon
