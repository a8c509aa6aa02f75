#include "base/toggles.h"

#include <cstdlib>
#include <string_view>

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
  const std::string_view ffmpeg = environment("FFMPEG_DEBUG");
  if (!ffmpeg.empty() && ffmpeg != "0" && ffmpeg != "1") {
    return fail(ErrorKind::Invalid, "FFMPEG_DEBUG", "'" + std::string(ffmpeg) + "' is not one of 0, 1");
  }
  toggles.ffmpeg_debug = ffmpeg == "1";
  return toggles;
}

}  // namespace zc
