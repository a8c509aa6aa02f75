#include "base/toggles.h"

#include <cstdlib>
#include <string_view>
#include <utility>

namespace zc {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view{} : std::string_view(value);
}

}  // namespace

Result<Toggles> read_toggles() {
  Toggles toggles;
  const std::string_view zerocopy = environment("ZEROCOPY");
  if (zerocopy == "0") {
    toggles.zerocopy = ZerocopyMode::Off;
  } else if (zerocopy == "1") {
    toggles.zerocopy = ZerocopyMode::Required;
  } else if (!zerocopy.empty() && zerocopy != "auto") {
    return fail(ErrorKind::Invalid, "ZEROCOPY", "'" + std::string(zerocopy) + "' is not one of 0, 1, auto");
  }
  const std::string_view route = environment("ZEROCOPY_ROUTE");
  if (!route.empty() && route != "vulkan" && route != "egl" && route != "cpu") {
    return fail(ErrorKind::Invalid, "ZEROCOPY_ROUTE", "'" + std::string(route) + "' is not one of vulkan, egl, cpu");
  }
  if (route == "cpu" && toggles.zerocopy == ZerocopyMode::Required) {
    return fail(ErrorKind::Invalid, "ZEROCOPY_ROUTE", "'cpu' copies, which ZEROCOPY=1 forbids");
  }
  toggles.route = route;
  for (const auto& [name, toggle] :
       {std::pair("ZEROCOPY_LATCH", &toggles.latch), std::pair("ZEROCOPY_SOFTWARE", &toggles.software),
        std::pair("FFMPEG_DEBUG", &toggles.ffmpeg_debug)}) {
    const std::string_view value = environment(name);
    if (!value.empty() && value != "0" && value != "1") {
      return fail(ErrorKind::Invalid, name, "'" + std::string(value) + "' is not one of 0, 1");
    }
    *toggle = value == "1";
  }
  return toggles;
}

}  // namespace zc
