#include "settings/platforms.h"

#include <algorithm>
#include <array>

namespace zc {
namespace {

/// Where the word ends with ':', a host follows it and stands between the two parts.
struct Platform {
  std::string_view word;
  std::string_view url;
  std::string_view app;
};
// Twitch: https://help.twitch.tv/s/twitch-ingest-recommendation; YouTube:
// https://developers.google.com/youtube/v3/live/ guides/rtmps-ingestion; Owncast:
// https://owncast.online/docs/broadcasting/.
constexpr std::array kPlatforms{
    Platform{"twitch", "rtmps://ingest.global-contribute.live-video.net:443", "/app"},
    Platform{"youtube", "rtmps://a.rtmps.youtube.com:443", "/live2"},
    Platform{"owncast:", "rtmp://", "/live"},
};
constexpr auto kWords = [] {
  std::array<std::string_view, kPlatforms.size()> words{};
  std::ranges::transform(kPlatforms, words.begin(), &Platform::word);
  return words;
}();

}  // namespace

std::span<const std::string_view> platform_words() { return kWords; }

std::optional<std::string> platform_url(std::string_view text) {
  for (const Platform& platform : kPlatforms) {
    const bool with_host = platform.word.ends_with(':');
    if (with_host ? !text.starts_with(platform.word) : text != platform.word) continue;
    return std::string(platform.url) + std::string(text.substr(platform.word.size())) + std::string(platform.app);
  }
  return std::nullopt;
}

}  // namespace zc
